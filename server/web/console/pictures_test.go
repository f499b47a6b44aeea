package console_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

var update = flag.Bool("update", false, "write the pictures of the documentation again")

// TestPictures writes the pictures in docs/server/images. Nothing compares them: two browsers draw the same page differently.
//
//	scripts/test ./server/web/console -run TestPictures -update
func TestPictures(t *testing.T) {
	if !*update {
		t.Skip("writes the pictures with -update")
	}
	s := servertest.New(t, servertest.StartTime(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)))
	d := prepareDesk(t, s)
	bob := newPerson(t, s, "bob")
	bob.open("/approvals")
	bob.picture("console-waiting", 1000, "light")
	bob.open("/approvals/" + d.lookAlike)
	bob.picture("console-request", 1000, "light")
	bob.picture("console-request-narrow", 360, "dark")
}

// picture writes a picture of the top of the page.
func (b *browser) picture(name string, width int64, scheme string) {
	b.t.Helper()
	b.look(width, scheme)
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("../../../docs/server/images", name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
