package console_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// checker is the source of axe-core, which finds faults of accessibility.
var checker = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile("../../../tools/node/node_modules/axe-core/axe.min.js")
	return string(source), err
})

// The checker's rules: WCAG 2.2 AA, and good practice.
const runChecker = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]}).then(
	found => found.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary)))`

// checkAccessible fails the test for each fault of the page, in both colour schemes, and if a reader of a narrow screen has to
// scroll sideways.
func (b *browser) checkAccessible(name string) {
	b.t.Helper()
	source, err := checker()
	if err != nil {
		b.t.Fatalf("%v: run the tests with make test or scripts/test, which install axe-core", err)
	}
	b.do(chromedp.Evaluate[chromedp.Void](source))
	for _, look := range []struct {
		width  int64
		scheme string
	}{{1280, "light"}, {360, "dark"}} {
		b.look(look.width, look.scheme)
		if faults := evaluate[[]string](b, runChecker); len(faults) > 0 {
			b.t.Errorf("%s, %d pixels, %s: %s", name, look.width, look.scheme, strings.Join(faults, "\n"))
		}
	}
	b.look(320, "light") // 1280 pixels at 400 %
	if wide := evaluate[[]string](b, `[...document.querySelectorAll("main :not(.chart *)")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120))`); len(wide) > 0 {
		b.t.Errorf("%s is wider than 320 pixels: %s", name, strings.Join(wide, "\n"))
	}
}

// look sets the width of the page and the colour scheme.
func (b *browser) look(width int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Everybody can use every page: on a narrow screen, in the dark, with a screen reader.
func TestPages_AreAccessible(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	d := prepareDesk(t, s)
	nobody := newBrowser(t, s)
	nobody.open("/")
	nobody.checkAccessible("sign in")
	nobody.fill("#key", "wrong")
	nobody.expect("401")
	nobody.click("main button")
	nobody.checkAccessible("sign in again")
	bob := newPerson(t, s, "bob")
	bob.expect("404")
	for name, path := range map[string]string{
		"waiting": "/approvals", "one group": "/approvals?group=mine&kind=issuance", "a request": "/approvals/" + d.lookAlike,
		"an own request": "/approvals/" + d.own, "an edit": "/approvals/" + d.edit, "a decision": "/approvals/" + d.done, "not found": "/nowhere",
		"certificates": "/certificates", "a certificate": "/certificates/mc-shop", "profiles": "/profiles", "a profile": "/profiles/p-payments", "overview": "/overview",
	} {
		bob.open(path)
		bob.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
		bob.checkAccessible(name)
	}
	audrey := newPerson(t, s, "audrey")
	audrey.open("/activity")
	audrey.checkAccessible("activity")
}
