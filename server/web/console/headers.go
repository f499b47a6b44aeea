package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

const (
	requestTimeout = 30 * time.Second
	maxFormBytes   = 64 << 10
)

// securityHeaders are what a browser must enforce on every page. no-referrer would make Chromium send Origin: null with a
// form, so the policy is same-origin.
var securityHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

// harden sets the headers of a page, bounds the request, makes its problems pages, and refuses what another site sent.
func (s *site) harden(c *gin.Context) {
	for name, value := range securityHeaders {
		c.Header(name, value)
	}
	if s.HasTLS {
		c.Header("Strict-Transport-Security", "max-age=31536000")
	}
	web.ShowProblems(c, s.showProblem)
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxFormBytes)
	if err := s.checkOrigin(c.Request); err != nil {
		c.Request.Body = http.NoBody // no page of ours shows words of another site as the person's note
		s.sendError(c, err)
		return
	}
	c.Next()
}

// hardenForBrowsers is harden for a request that leads nowhere, if a browser sent it.
func (s *site) hardenForBrowsers(c *gin.Context) {
	if isForPage(c.Request) {
		s.harden(c)
	}
}

// isForPage reports whether a request wants a page, and no answer of the API.
func isForPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func sendNoSuchPage(c *gin.Context) {
	if isForPage(c.Request) {
		web.SendProblem(c, api.Refuse(api.CodeNoSuchRoute, "there is no page %s", c.Request.URL.Path))
	}
}

// checkOrigin refuses a POST that a page of another site sent. A browser names the site in Sec-Fetch-Site or in Origin. A POST
// that has neither may come from anywhere.
func (s *site) checkOrigin(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return api.Refuse(api.CodeForbidden, "the request does not say which site sent it: use a current browser")
	}
	if s.protection.Check(r) != nil {
		return api.Refuse(api.CodeForbidden, "the page of another site sent this request: nothing was changed")
	}
	return nil
}

// sendError writes an error as a page.
func (s *site) sendError(c *gin.Context, err error) {
	problem, headers := s.ProblemOf(c.Request.Context(), err)
	for name, values := range headers {
		if name != "Www-Authenticate" { // a browser would ask for a password
			c.Header(name, values[0])
		}
	}
	web.SendProblem(c, problem)
}
