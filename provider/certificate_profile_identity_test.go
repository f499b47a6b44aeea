package provider_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// An import without an id, as from an unset variable of the shell, says what an import takes.
func TestImport_RefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	st := newFakeServer(t)
	st.answerWith(func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	for _, tc := range []struct{ kind, id, want string }{
		{profileType, "", "The id is empty. An id of a certificate profile begins with p-. To import by name, write name: and the name."},
		{certificateType, "", "The id is empty. An id of a certificate begins with mc-."},
		{certificateType, "www", `"www" is no id of a certificate. An id of a certificate begins with mc-.`},
	} {
		resp, err := st.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: tc.kind, ID: tc.id})
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.Diagnostics) != 1 || resp.Diagnostics[0].Detail != tc.want {
			t.Errorf("%s %q: %v", tc.kind, tc.id, resp.Diagnostics)
		}
	}
}

// An import accepts a name. An unknown name is an error.
func TestCertificateProfile_ImportByName(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := configurationAs(t, s, "terraform", everyField)
	missing := func(id, words string) resource.TestStep {
		return resource.TestStep{Config: configuration, ResourceName: profileAddress, ImportState: true, ImportStateId: id, ExpectError: regexp.MustCompile(words)}
	}
	runSteps(t,
		resource.TestStep{Config: configuration},
		resource.TestStep{
			Config: configuration, ResourceName: profileAddress, ImportState: true, ImportStateVerify: true,
			ImportStateId: "name:CDN, für <alle> & mehr",
		},
		missing("name:cdn", `(?s)Could not import name:cdn.*no\s+certificate\s+profile\s+with\s+the\s+name\s+"cdn"`),
		missing("name:", `The name is empty`),
		missing("Web", `(?s)"Web" is no id of a certificate profile.*begins\s+with p-.*name:Web`),
	)
}
