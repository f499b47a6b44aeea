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

// form is what a body must look like: the schema of the OpenAPI document, and the rules for every text. It stands in
// for huma's own check, whose places join names with dots, so that a name with a dot spoils all that follow, and
// which takes null for every optional field.
type form struct {
	schema   *huma.Schema
	registry huma.Registry
}

const formKey = "form"

// A body of a megabyte has room for more faults than anyone reads, or than an answer should have.
const maxFaults = 1000

// check finds every fault of form. Bad syntax, duplicate names, invalid UTF-8 and trailing data are an error.
func (f form) check(body []byte) ([]api.Fault, error) {
	c := checker{registry: f.registry, decoder: jsontext.NewDecoder(bytes.NewReader(body))}
	c.value("", f.schema)
	if c.err == nil {
		c.end()
	}
	if c.err != nil {
		return nil, api.Refuse(api.CodeMalformedRequest, "the body is no valid JSON: %s", strings.TrimPrefix(c.err.Error(), "jsontext: "))
	}
	return c.faults, nil
}

// checker walks a JSON text beside its schema. Once err is set, the walk only ends.
type checker struct {
	registry huma.Registry
	decoder  *jsontext.Decoder
	faults   []api.Fault
	err      error
}

func (c *checker) next() jsontext.Token {
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

func (c *checker) end() {
	if _, err := c.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("there is more after its end, at byte %d", c.decoder.InputOffset())
	}
}

// more says whether an object or array goes on, and reads its end if it does not.
func (c *checker) more() bool {
	switch c.decoder.PeekKind() {
	case '}', ']':
		c.next()
		return false
	}
	return c.err == nil
}

func (c *checker) skip() {
	if err := c.decoder.SkipValue(); c.err == nil {
		c.err = err
	}
}

func (c *checker) fault(at jsontext.Pointer, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, api.Fault{Pointer: string(at), Detail: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) value(at jsontext.Pointer, s *huma.Schema) {
	for s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	kind := c.decoder.PeekKind()
	switch {
	case s.Type == "": // any value
		c.skip()
	case kind == 'n' && s.Nullable:
		c.next()
	case s.Type == huma.TypeObject && kind == '{':
		c.object(at, s)
	case s.Type == huma.TypeArray && kind == '[':
		c.array(at, s)
	case s.Type == huma.TypeString && kind == '"':
		c.text(at, s, c.next().String())
	case s.Type == huma.TypeInteger && kind == '0':
		c.integer(at, s, c.next().String())
	case s.Type == huma.TypeBoolean && (kind == 't' || kind == 'f'):
		c.next()
	default:
		if c.skip(); c.err == nil {
			c.fault(at, "must be %s, not %s", article(s.Type), kinds[kind])
		}
	}
}

var kinds = map[jsontext.Kind]string{
	'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "an array",
}

func article(schemaType string) string {
	if strings.ContainsAny(schemaType[:1], "aio") {
		return "an " + schemaType
	}
	return "a " + schemaType
}

func (c *checker) object(at jsontext.Pointer, s *huma.Schema) {
	c.next()
	seen := map[string]bool{}
	for c.more() {
		name := c.next().String()
		inside := at.AppendToken(name)
		if known, ok := s.Properties[name]; ok {
			seen[name] = true
			c.value(inside, known)
		} else if free, ok := s.AdditionalProperties.(*huma.Schema); ok {
			if fault := rules.LineFault(name); fault != "" {
				c.fault(inside, "the name %s", fault)
			}
			c.value(inside, free)
		} else if c.skip(); c.err == nil {
			c.fault(inside, "%s", unknownField(name, s))
		}
	}
	for _, name := range s.Required {
		if !seen[name] {
			c.fault(at.AppendToken(name), "is required")
		}
	}
}

func unknownField(name string, s *huma.Schema) string {
	for known := range s.Properties {
		if strings.EqualFold(known, name) {
			return "is no field here: write " + known
		}
	}
	return "is no field here"
}

func (c *checker) array(at jsontext.Pointer, s *huma.Schema) {
	c.next()
	for i := 0; c.more(); i++ {
		c.value(at.AppendToken(strconv.Itoa(i)), s.Items)
	}
}

// severalLines are the fields that may have more than one line.
var severalLines = []jsontext.Pointer{"/description", "/note", "/reason"}

func textFault(at jsontext.Pointer, s string) string {
	switch {
	case at == "/csr_pem": // it is no text: it may have carriage returns, and is checked as what it is
		return rules.TextFault(strings.ReplaceAll(s, "\r", ""))
	case slices.Contains(severalLines, at):
		return rules.TextFault(s)
	}
	return rules.LineFault(s)
}

func (c *checker) text(at jsontext.Pointer, s *huma.Schema, value string) {
	if c.err != nil {
		return
	}
	if fault := textFault(at, value); fault != "" {
		c.fault(at, "%s", fault)
	}
	length := utf8.RuneCountInString(value)
	switch {
	case s.MinLength != nil && length < *s.MinLength:
		c.fault(at, "is shorter than %d characters", *s.MinLength)
	case s.MaxLength != nil && length > *s.MaxLength:
		c.fault(at, "has %d characters; at most %d are allowed", length, *s.MaxLength)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, any(value)):
		c.fault(at, "is none of %v", s.Enum)
	case s.Format == "date-time":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			c.fault(at, "is no time in the form of RFC 3339")
		}
	}
}

// integer takes a whole number as it is stored: 1e3 or 1.0 would come back as another text.
func (c *checker) integer(at jsontext.Pointer, s *huma.Schema, literal string) {
	if c.err != nil {
		return
	}
	n, err := strconv.ParseInt(literal, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		c.fault(at, "is out of range")
	case err != nil:
		c.fault(at, "must be an integer, written with digits alone")
	case s.Minimum != nil && float64(n) < *s.Minimum, s.Maximum != nil && float64(n) > *s.Maximum:
		c.fault(at, "is out of range")
	}
}
