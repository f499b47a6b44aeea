package issuance

import (
	"fmt"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// maxPeople bounds the people that one request can name.
const maxPeople = 100

// checkPeople returns every fault of the people that a request names. A handle in also_excluded need not exist yet.
func checkPeople(who identity.Actor, r api.Renew) []api.Fault {
	faults := slices.Concat(CheckHandles("/also_excluded", r.AlsoExcluded), CheckHandles("/stands_for", r.StandsFor))
	if len(r.StandsFor) == 0 {
		return faults
	}
	if who.Kind != identity.Human {
		faults = append(faults, api.Fault{Pointer: "/stands_for", Detail: "only a human may stand for others"})
	}
	if r.Digest == "" {
		faults = append(faults, api.Fault{Pointer: "/digest", Detail: "is required with stands_for: preview the renewal, and send the digest of what you saw"})
	}
	return faults
}

// CheckHandles returns every fault of a set of handles.
func CheckHandles(pointer string, handles []string) []api.Fault {
	if len(handles) > maxPeople {
		return []api.Fault{{Pointer: pointer, Detail: fmt.Sprintf("there are %d handles; at most %d are allowed", len(handles), maxPeople)}}
	}
	var faults []api.Fault
	for i, handle := range handles {
		at := fmt.Sprintf("%s/%d", pointer, i)
		if rules.CheckHandle(handle) != nil {
			faults = append(faults, api.Fault{Pointer: at, Detail: fmt.Sprintf("%.100q is no handle of a principal", handle)})
		}
		if first := slices.Index(handles, handle); first < i {
			faults = append(faults, api.Fault{Pointer: at, Detail: fmt.Sprintf("%.100q is there already, as element %d", handle, first)})
		}
	}
	return faults
}
