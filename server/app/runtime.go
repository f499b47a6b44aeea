package app

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// registerRuntime registers the metrics of the process, of Go and of the program's build.
func registerRuntime(r prometheus.Registerer, version string) {
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "certctl_build_info", Help: "1, with the version of the program.",
	}, []string{"version", "revision", "go_version"})
	build.WithLabelValues(version, findRevision(), runtime.Version()).Set(1)
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// findRevision returns the commit that the program was built from, or unknown.
func findRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "unknown"
}
