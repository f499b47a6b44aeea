package api

import "slices"

// Precondition holds the versions that a change may be based on, from If-Match. None given: any version.
type Precondition []int64

// Check returns a precondition_failed problem if the stored version is none of them.
func (p Precondition) Check(version int64) error {
	if len(p) == 0 || slices.Contains(p, version) {
		return nil
	}
	refusal := Refuse(CodePreconditionFailed, "it was changed in the meantime: read it again, its version is %d", version)
	refusal.Version = version
	return refusal
}
