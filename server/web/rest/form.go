package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// form checks a body against its schema in the OpenAPI document, and every text against the rules. It replaces huma's own
// check, which accepts null for every optional field. huma also joins names with dots, so a name with a dot makes its
// locations wrong.
type form struct {
	schema   *huma.Schema
	registry huma.Registry
}

const formKey = "form"

// maxFaults bounds the answer to a body with very many faults.
const maxFaults = 1000

// check returns every fault of form. If the body is no valid JSON, check returns an error.
func (f form) check(body []byte) ([]api.Fault, error) {
	c := checker{registry: f.registry, decoder: jsontext.NewDecoder(bytes.NewReader(body))}
	c.checkValue("", f.schema)
	if c.err == nil {
		c.checkEnd()
	}
	if c.err != nil {
		return nil, api.Refuse(api.CodeMalformedRequest, "the body is no valid JSON: %s", strings.TrimPrefix(c.err.Error(), "jsontext: "))
	}
	return c.faults, nil
}

// checker reads a JSON text beside its schema. Once err is set, it adds no more faults.
type checker struct {
	registry huma.Registry
	decoder  *jsontext.Decoder
	faults   []api.Fault
	err      error
}

func (c *checker) readToken() jsontext.Token {
	if c.err != nil {
		return jsontext.Null
	}
	token, err := c.decoder.ReadToken()
	if errors.Is(err, io.EOF) {
		err = errors.New("it ends too early")
	}
	c.err = err
	return token
}

func (c *checker) checkEnd() {
	if _, err := c.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("there is more after its end, at byte %d", c.decoder.InputOffset())
	}
}

// hasMore reports whether an object or array has another element. If not, hasMore reads its end.
func (c *checker) hasMore() bool {
	switch c.decoder.PeekKind() {
	case '}', ']':
		c.readToken()
		return false
	}
	return c.err == nil
}

func (c *checker) skipValue() {
	if err := c.decoder.SkipValue(); c.err == nil {
		c.err = err
	}
}

func (c *checker) addFault(at jsontext.Pointer, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, api.Fault{Pointer: string(at), Detail: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) checkValue(at jsontext.Pointer, s *huma.Schema) {
	for s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	kind := c.decoder.PeekKind()
	switch {
	case s.Type == "": // any value
		c.skipValue()
	case kind == 'n' && s.Nullable:
		c.readToken()
	case s.Type == huma.TypeObject && kind == '{':
		c.checkObject(at, s)
	case s.Type == huma.TypeArray && kind == '[':
		c.checkArray(at, s)
	case s.Type == huma.TypeString && kind == '"':
		c.checkText(at, s, c.readToken().String())
	case s.Type == huma.TypeInteger && kind == '0':
		c.checkInteger(at, s, c.readToken().String())
	case s.Type == huma.TypeBoolean && (kind == 't' || kind == 'f'):
		c.readToken()
	default:
		if c.skipValue(); c.err == nil {
			c.addFault(at, "must be %s, not %s", addArticle(s.Type), kindNames[kind])
		}
	}
}

var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "an array",
}

func addArticle(schemaType string) string {
	if strings.ContainsAny(schemaType[:1], "aio") {
		return "an " + schemaType
	}
	return "a " + schemaType
}

func (c *checker) checkObject(at jsontext.Pointer, s *huma.Schema) {
	c.readToken()
	seen := map[string]bool{}
	for c.hasMore() {
		name := c.readToken().String()
		inside := at.AppendToken(name)
		if known, ok := s.Properties[name]; ok {
			seen[name] = true
			c.checkValue(inside, known)
		} else if free, ok := s.AdditionalProperties.(*huma.Schema); ok {
			if fault := rules.LineFault(name); fault != "" {
				c.addFault(inside, "the name %s", fault)
			}
			c.checkValue(inside, free)
		} else if c.skipValue(); c.err == nil {
			c.addFault(inside, "%s", describeUnknownField(name, s))
		}
	}
	for _, name := range s.Required {
		if !seen[name] {
			c.addFault(at.AppendToken(name), "is required")
		}
	}
	hasAll := func(one *huma.Schema) bool {
		return !slices.ContainsFunc(one.Required, func(name string) bool { return !seen[name] })
	}
	if len(s.AnyOf) > 0 && !slices.ContainsFunc(s.AnyOf, hasAll) {
		c.addFault(at.AppendToken(s.AnyOf[0].Required[0]), "is required")
	}
}

func describeUnknownField(name string, s *huma.Schema) string {
	for known := range s.Properties {
		if strings.EqualFold(known, name) {
			return "is no field here: write " + known
		}
	}
	return "is no field here"
}

func (c *checker) checkArray(at jsontext.Pointer, s *huma.Schema) {
	c.readToken()
	for i := 0; c.hasMore(); i++ {
		c.checkValue(at.AppendToken(strconv.Itoa(i)), s.Items)
	}
}

// multilineFields are the fields that may have more than one line.
var multilineFields = []jsontext.Pointer{"/description", "/note", "/reason"}

func textFault(at jsontext.Pointer, s string) string {
	switch {
	case at == "/csr_pem": // package rules says what is wrong with a CSR
		return ""
	case slices.Contains(multilineFields, at):
		return rules.TextFault(s)
	}
	return rules.LineFault(s)
}

func (c *checker) checkText(at jsontext.Pointer, s *huma.Schema, value string) {
	if c.err != nil {
		return
	}
	if fault := textFault(at, value); fault != "" {
		c.addFault(at, "%s", fault)
	}
	length := utf8.RuneCountInString(value)
	switch {
	case s.MinLength != nil && length < *s.MinLength:
		c.addFault(at, "is shorter than %d characters", *s.MinLength)
	case s.MaxLength != nil && length > *s.MaxLength:
		c.addFault(at, "has %d characters; at most %d are allowed", length, *s.MaxLength)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, any(value)):
		c.addFault(at, "is none of %v", s.Enum)
	case s.Format == "date-time":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			c.addFault(at, "is no time in the form of RFC 3339")
		}
	}
}

// checkInteger accepts digits alone: 1e3 or 1.0 would come back as another text.
func (c *checker) checkInteger(at jsontext.Pointer, s *huma.Schema, literal string) {
	if c.err != nil {
		return
	}
	n, err := strconv.ParseInt(literal, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		c.addFault(at, "is out of range")
	case err != nil:
		c.addFault(at, "must be an integer, written with digits alone")
	case s.Minimum != nil && float64(n) < *s.Minimum, s.Maximum != nil && float64(n) > *s.Maximum:
		c.addFault(at, "is out of range")
	}
}
