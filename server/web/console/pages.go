package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/review"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

//go:embed pages static
var files embed.FS

// pages has the template of each page.
type pages map[string]*template.Template

// parsePages reads the templates. Each page has the layout and the common parts.
func parsePages() pages {
	common := template.Must(template.New("").Funcs(template.FuncMap{
		"visible": visible, "plain": plain, "plural": review.Count, "asset": assetPath,
		"news": newsOf, "warning": warningOf, "kind": kindOf, "label": review.LabelOf, "sentence": sentenceOf, "differing": differing, "itemClass": classOf,
		"status": statusWords, "names": shortNames, "objectPath": pathOf, "details": detailsOf,
		"words": newWords, "wrote": wrote,
	}).ParseFS(files, "pages/layout.html", "pages/parts.html"))
	all := pages{}
	names, err := files.ReadDir("pages")
	if err != nil {
		panic(err) // cannot fail: the folder is embedded
	}
	for _, file := range names {
		if name := strings.TrimSuffix(file.Name(), ".html"); name != "layout" && name != "parts" {
			all[name] = template.Must(template.Must(common.Clone()).ParseFS(files, "pages/"+file.Name()))
		}
	}
	return all
}

// execute returns a whole page.
func (p pages) execute(f frame) ([]byte, error) {
	var page bytes.Buffer
	err := p[f.Page].ExecuteTemplate(&page, "layout.html", f)
	return page.Bytes(), err
}

const staticPath = "/static/"

// assetVersion changes with the files, so browsers may keep them.
var assetVersion = func() string {
	hash := sha256.New()
	entries, err := files.ReadDir("static")
	for _, entry := range entries {
		content, readErr := files.ReadFile("static/" + entry.Name())
		if err = readErr; err != nil {
			break
		}
		hash.Write(content)
	}
	if err != nil {
		panic(err) // cannot fail: the files are embedded
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}()

// assetPath returns the path of a static file.
func assetPath(name string) string { return staticPath + assetVersion + "/" + name }

var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// sendFile sends a static file.
func (s *site) sendFile(c *gin.Context) {
	name := c.Param("file")
	content, err := files.ReadFile("static/" + name)
	if err != nil || c.Param("version") != assetVersion {
		web.SendProblem(c, api.NotFound("file", name))
		return
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
	c.Data(http.StatusOK, contentTypes[path.Ext(name)], content)
}
