package console_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// patience is how long a browser may take for one step on a busy machine.
const patience = 3 * time.Minute

// startBrowser starts the one Chromium of the package. Each person has a context of their own in it, with own cookies.
var startBrowser = sync.OnceValues(func() (context.Context, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.WindowSize(1280, 900), chromedp.Flag("lang", "en-GB"),
		chromedp.Flag("host-resolver-rules", "MAP evil.test 127.0.0.1"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	stopBrowser = func() { stop(); stopAllocator() }
	return ctx, chromedp.Do(ctx)
})

var stopBrowser = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	os.Exit(code)
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no Chromium: run the tests with make test or scripts/test, which install Debian's chromium-headless-shell")
}

// browser is a person's tab. At the end of the test it fails for every error that the browser reported.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	faults   []string
	expected []string // parts of the faults that the test provokes
}

// newBrowser opens a tab in which nobody is signed in.
func newBrowser(t *testing.T, s *servertest.Server) *browser {
	t.Helper()
	root, err := startBrowser()
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, base: s.URL}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(root, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.start(cancel)
	return b
}

// newTab opens another tab of the same person.
func (b *browser) newTab() *browser {
	b.t.Helper()
	tab := &browser{t: b.t, base: b.base}
	var cancel context.CancelFunc
	tab.ctx, cancel = chromedp.NewContext(b.ctx, chromedp.WithListener(tab.listen))
	tab.start(cancel)
	return tab
}

func (b *browser) start(cancel context.CancelFunc) {
	b.t.Helper()
	b.t.Cleanup(func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, fault := range b.faults {
			if !slices.ContainsFunc(b.expected, func(part string) bool { return strings.Contains(fault, part) }) {
				b.t.Errorf("the browser reports: %s", fault)
			}
		}
	})
	if err := chromedp.Do(b.ctx); err != nil {
		b.t.Fatal(err)
	}
}

// listen collects console errors, exceptions and violations of the content security policy.
func (b *browser) listen(event any) {
	var fault string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		fault = fmt.Sprintf("console.%s", e.Type)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelVerbose {
			return
		}
		fault = fmt.Sprintf("%s %s: %s %s", e.Entry.Level, e.Entry.Source, e.Entry.Text, e.Entry.URL)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fault)
}

// expect allows faults with a text, such as the status of a page that refuses something.
func (b *browser) expect(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, part)
}

// do runs steps, each of which must end in time.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.pageText())
	}
}

// open opens a path, and returns the status of the page.
func (b *browser) open(path string) int {
	b.t.Helper()
	return b.navigate(chromedp.Navigate(b.base + path))
}

// click clicks an element that leads to another page, and returns the status of that page.
func (b *browser) click(selector string) int {
	b.t.Helper()
	return b.navigate(chromedp.Click(chromedp.CSS(selector)))
}

func (b *browser) navigate(step chromedp.Action[chromedp.Void]) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, step)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.pageText())
	}
	if response == nil {
		return 0
	}
	return int(response.Status)
}

// fill replaces the text of a field.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

func (b *browser) pageText() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// location returns the path of the page, with its query.
func (b *browser) location() string {
	b.t.Helper()
	return evaluate[string](b, "location.pathname + location.search")
}

func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// require fails the test unless the page shows each of the texts.
func (b *browser) require(texts ...string) {
	b.t.Helper()
	page := b.pageText()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Fatalf("the page lacks %q:\n%s", text, page)
		}
	}
}

// requireStatus fails the test unless a page has the status.
func (b *browser) requireStatus(got, want int) {
	b.t.Helper()
	if got != want {
		b.t.Fatalf("the status is %d, not %d:\n%s", got, want, b.pageText())
	}
}

// signIn signs a person in with their key.
func (b *browser) signIn(s *servertest.Server, person string) {
	b.t.Helper()
	b.open("/sign-in")
	b.fill("#key", s.Key(b.t, person))
	b.requireStatus(b.click("main button"), http.StatusOK)
	b.require("Signed in as " + person)
}

// newPerson opens a tab in which a person is signed in.
func newPerson(t *testing.T, s *servertest.Server, person string) *browser {
	t.Helper()
	b := newBrowser(t, s)
	b.signIn(s, person)
	return b
}

// tick ticks the box that says what is approved.
var tick = chromedp.Click(chromedp.CSS("#agreed"))
