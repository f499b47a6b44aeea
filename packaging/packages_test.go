// cspell:ignore Zgzip

package packaging

import (
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// install installs the released Debian package on a machine, starts the server and adds a person.
const install = `
	apt-get install -y "$deb" >/dev/null
	certctl-admin migrate
	systemctl start certctl
	curl -fsS -o /dev/null --retry 30 --retry-connrefused http://127.0.0.1:8080/readyz
	certctl-admin principal create alice --kind human --role operator
	`

// debPackage sets the variable deb to the path of the released package on a machine.
func (r release) debPackage() string {
	return "deb=/srv/certctl/terraform-provider-certctl/releases/download/v" + r.version + "/certctl_" + r.version + "_linux_" + runtime.GOARCH + ".deb\n"
}

// The unit starts the server as its own user, and confines it. The package also brings completion and the manual page.
func TestUnit_ConfinesTheServer(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	m := r.boot(t)
	m.mustRun(t, r.debPackage()+install)
	if out := m.mustRun(t, `systemd-analyze verify --man=no /usr/lib/systemd/system/certctl.service 2>&1 | grep certctl || true`); out != "" {
		t.Errorf("systemd warns of the unit: %s", out)
	}
	assessment := m.mustRun(t, `systemd-analyze security --no-pager certctl.service`)
	overall := regexp.MustCompile(`exposure level for certctl.service: ([0-9.]+)`).FindStringSubmatch(assessment)
	// What is left: the network, its address families, and that no user namespace and no chroot is used.
	if overall == nil {
		t.Fatalf("no assessment:\n%s", assessment)
	}
	if exposure, err := strconv.ParseFloat(overall[1], 64); err != nil || exposure > 1.5 {
		t.Errorf("systemd-analyze security: %s, at most 1.5 is allowed:\n%s", overall[1], assessment)
	}
	m.expect(t, `source /usr/share/bash-completion/completions/certctl && COMP_LINE='certctl ca in' /usr/bin/certctl`, "init")
	m.expect(t, `gzip -dc /usr/share/man/man1/certctl.1.gz | grep -c 'certctl principal create'`, "1")
	m.expect(t, `stat -c '%U %a' /var/lib/certctl /var/lib/certctl/ca-key.pem /etc/certctl/certctl.env`, "certctl 700\ncertctl 600\nroot 600")
	m.expect(t, `stat -c %U "/proc/$(systemctl show --value -p MainPID certctl)"`, "certctl")
}

// A reload by systemd loads the TLS files again, in the same process.
func TestUnit_Reloads(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	m := r.boot(t)
	first, firstKey := newCertificate(t, "first.example.com")
	second, secondKey := newCertificate(t, "second.example.com")
	m.write(t, "etc/certctl/tls.pem", first)
	m.write(t, "etc/certctl/tls-key.pem", firstKey)
	m.mustRun(t, r.debPackage()+`apt-get install -y "$deb" >/dev/null
		printf 'CERTCTL_TLS_CERT_FILE=/etc/certctl/tls.pem\nCERTCTL_TLS_KEY_FILE="/etc/certctl/tls-key.pem"\n' >> /etc/certctl/certctl.env
		systemctl start certctl
		curl -kfsS -o /dev/null --retry 30 --retry-connrefused https://127.0.0.1:8080/readyz
		systemctl show --value -p MainPID certctl > pid`)
	const subject = `openssl s_client -connect 127.0.0.1:8080 </dev/null 2>/dev/null | openssl x509 -noout -subject`
	m.expect(t, subject, "subject=CN = first.example.com")
	m.write(t, "etc/certctl/tls.pem", second)
	m.write(t, "etc/certctl/tls-key.pem", secondKey)
	m.mustRun(t, `systemctl reload certctl
		until `+subject+` | grep -q second; do sleep 0.1; done
		systemctl show --value -p MainPID certctl | diff pid -`)
}

// expect runs a script that prints a text.
func (m machine) expect(t *testing.T, script, want string) {
	t.Helper()
	if got := m.mustRun(t, script); got != want {
		t.Errorf("%s: got %q, want %q", script, got, want)
	}
}

// An upgrade keeps settings and data, and restarts a server that runs. Removing the package keeps both. A purge removes the
// settings alone.
func TestDeb_KeepsTheData(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	m := r.boot(t)
	const people = `certctl-admin principal list 2>/dev/null | grep -c alice`
	m.mustRun(t, r.debPackage()+`
		dpkg-deb -R "$deb" older
		sed -i 's/^Version: .*/Version: 0.0.0~0/' older/DEBIAN/control
		echo '# a comment of the older version' >> older/etc/certctl/certctl.env
		dpkg-deb -Zgzip --build older older.deb >/dev/null
		deb=./older.deb`+install+`
		echo CERTCTL_WORKERS=2 >> /etc/certctl/certctl.env
		systemctl restart certctl
		systemctl show --value -p MainPID certctl > pid`)
	m.mustRun(t, r.debPackage()+`apt-get install -y -o Dpkg::Options::=--force-confold "$deb"
		systemctl is-active certctl
		! systemctl show --value -p MainPID certctl | diff -q pid - >/dev/null`)
	m.expect(t, `grep -x CERTCTL_WORKERS=2 /etc/certctl/certctl.env`, "CERTCTL_WORKERS=2")
	m.expect(t, people, "1")

	m.mustRun(t, `apt-get remove -y certctl
		! systemctl is-active --quiet certctl
		! command -v certctl
		grep -q WORKERS /etc/certctl/certctl.env`)
	if out := m.mustRun(t, `apt-get purge -y certctl 2>&1`); !strings.Contains(out, "/var/lib/certctl") {
		t.Errorf("the purge does not say where the data is:\n%s", out)
	}
	m.expect(t, `ls /etc/certctl 2>/dev/null || true`, "")
	m.expect(t, `stat -c %U /var/lib/certctl/ca-key.pem`, "certctl")
	m.mustRun(t, r.debPackage()+`apt-get install -y "$deb" >/dev/null`)
	m.expect(t, people, "1")
}

// The file of the settings lists every setting. With each of them in force the server still starts, so each has a valid value.
// The commands for administrators use the same values as the server, also those that a shell would read otherwise.
func TestDeb_SettingsFileIsComplete(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	m := r.boot(t)
	m.mustRun(t, r.debPackage()+install)
	m.expect(t, `certctl serve --help | grep -o 'CERTCTL_[A-Z_]*' | sort -u > settings
		grep -o '^#CERTCTL_[A-Z_]*' /etc/certctl/certctl.env | tr -d '#' | sort | diff settings - && wc -l < settings | grep -qv '^0$'`, "")
	m.mustRun(t, `sed -i 's/^#CERTCTL/CERTCTL/' /etc/certctl/certctl.env
		systemctl restart certctl
		curl -fsS -o /dev/null --retry 30 --retry-connrefused http://127.0.0.1:8080/readyz`)
	m.mustRun(t, `echo CERTCTL_DATA_DIR=/var/lib/certctl/other >> /etc/certctl/certctl.env
		certctl-admin migrate 2>&1 | grep /var/lib/certctl/other/certctl.db`)
	m.mustRun(t, `echo "CERTCTL_DATABASE_URL='postgres://certctl@127.0.0.1:1/\$HOME;x?connect_timeout=1'" >> /etc/certctl/certctl.env`)
	if out, err := m.run(t, `certctl-admin principal list`); err == nil || !strings.Contains(out, "$HOME;x") {
		t.Errorf("certctl-admin does not use the database of the file: %v\n%s", err, out)
	}
	m.expect(t, `CERTCTL_DATABASE_URL= CERTCTL_DATA_DIR=/var/lib/certctl certctl-admin principal list 2>/dev/null | grep -c alice`, "1")
	out, err := m.run(t, `runuser -u certctl -- certctl-admin version`)
	if err == nil || !strings.Contains(out, "only root") {
		t.Errorf("certctl-admin runs as another user: %v\n%s", err, out)
	}
}

// The RPM package installs, upgrades and erases in a root directory. It makes the user, keeps settings and data, and nothing of
// it stays but these.
func TestRPM_InstallsAndErases(t *testing.T) {
	t.Parallel()
	r := readRelease(t)
	root := newRoot(t)
	file := r.path("linux_" + runtime.GOARCH + ".rpm")
	runAsRoot(t, "env", "-i", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "bash", "-euo", "pipefail", "-c", `
		root=$1 file=$2
		rpm="rpm --root $root --nodeps"
		mkdir -p "$root/var/lib/rpm"
		$rpm -i --ignorearch "$file"
		chroot "$root" certctl version
		chroot "$root" certctl-admin migrate
		chroot "$root" certctl-admin principal create alice --kind human --role operator
		[[ $(stat -c %a "$root/etc/certctl/certctl.env") == 600 ]]
		echo CERTCTL_WORKERS=2 >> "$root/etc/certctl/certctl.env"
		$rpm -U --ignorearch --replacepkgs "$file"
		grep -qx CERTCTL_WORKERS=2 "$root/etc/certctl/certctl.env"
		chroot "$root" certctl-admin principal list | grep alice
		$rpm -e certctl | grep /var/lib/certctl
		[[ ! -e $root/usr/bin/certctl && -e $root/var/lib/certctl/certctl.db && -e $root/etc/certctl/certctl.env.rpmsave ]]
		`, "bash", root, file)
}
