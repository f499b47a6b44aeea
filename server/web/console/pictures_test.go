package console_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/certctl/terraform-provider-certctl/api"
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
	s := servertest.New(t, servertest.StartTime(time.Date(2030, 1, 7, 9, 0, 0, 0, time.UTC)))
	s.SetUngatedNames(t, api.UngatedLists{AllowedDNSNames: []string{"*.dev.example.com"}, AllowedEKUs: []string{"serverAuth"}})
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
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, withFewColours(picture)); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("../../../docs/server/images", name+".png"), small.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// withFewColours returns a picture with the 256 colours that the picture has most of. That makes its file a third as large.
func withFewColours(picture image.Image) image.Image {
	bounds, count := picture.Bounds(), map[color.Color]int{}
	for y := range bounds.Max.Y {
		for x := range bounds.Max.X {
			count[picture.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	small := image.NewPaletted(bounds, colours[:min(len(colours), 256)])
	draw.Draw(small, bounds, picture, bounds.Min, draw.Src)
	return small
}
