package config

import (
	"maps"
	"slices"
	"strings"
)

// Sources that are no file or flag.
const (
	environmentSource = "environment"
	dataDirSource     = "data directory" // see WithRememberedIssuer
)

// readEnvironment reads the files that MINTMARK_…_FILE name, then the variables.
// A variable that is set to nothing counts as not set: compose files and shells
// write `X=` for that.
func (l *loader) readEnvironment(environ []string) {
	direct, files := make(map[string]string), make(map[string]string)
	variables := ours(environ)
	for _, variable := range slices.Sorted(maps.Keys(variables)) {
		text := variables[variable]
		named, isFile := strings.CutSuffix(variable, fileSuffix)
		if _, ok := l.find(variable); ok {
			direct[variable] = text
		} else if _, ok := l.find(named); ok && isFile {
			files[named] = text
		} else {
			l.reportUnknownVariable(variable)
		}
	}
	for _, variable := range slices.Sorted(maps.Keys(direct)) {
		if _, ok := files[variable]; ok {
			l.reportBoth(variable)
			delete(files, variable)
		}
	}
	l.readFiles(files)
	for variable, text := range direct {
		l.take(variable, environmentSource, text)
	}
}

// ours gives the variables that are meant for mintmark and not empty.
func ours(environ []string) map[string]string {
	found := make(map[string]string)
	for _, entry := range environ {
		variable, text, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(variable, prefix) && text != "" && !foreign(variable, text) {
			found[variable] = text
		}
	}
	return found
}

// foreign reports whether a variable with our prefix is somebody else's.
func foreign(variable, text string) bool {
	return strings.HasPrefix(variable, prefix+"TEST_") || injected(variable, text)
}

func (l *loader) reportUnknownVariable(variable string) {
	var known []string
	for _, k := range l.keys {
		known = append(known, k.name)
		if strings.HasSuffix(variable, fileSuffix) {
			known = append(known, k.name+fileSuffix)
		}
	}
	l.report(printable(variable), environmentSource, unknown(variable, known))
}

// printable keeps a stranger's name from breaking the line it is printed on.
func printable(name string) string {
	if quoted := quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

func (l *loader) reportBoth(variable string) {
	l.report(variable, environmentSource, &defect{
		what: "both " + variable + " and " + variable + fileSuffix + " are set",
		mend: "unset one of them",
	})
}

// readFiles reads the value of each variable from the file named for it.
func (l *loader) readFiles(files map[string]string) {
	for _, variable := range slices.Sorted(maps.Keys(files)) {
		k, _ := l.find(variable)
		source := variable + fileSuffix
		text, exposed, err := readValue(files[variable])
		if err != nil {
			l.spoil(k, source, err)
			continue
		}
		l.warnExposed(k, source, text, exposed)
		l.take(variable, source, text)
	}
}

// tracing reports whether the standard variables of OpenTelemetry name a place
// to send traces to (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
func tracing(environ []string) bool {
	endpoint := false
	for _, entry := range environ {
		variable, text, _ := strings.Cut(entry, "=")
		switch variable {
		case "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":
			endpoint = endpoint || text != ""
		case "OTEL_SDK_DISABLED":
			if strings.EqualFold(text, "true") {
				return false
			}
		case "OTEL_TRACES_EXPORTER":
			if text == "none" {
				return false
			}
		}
	}
	return endpoint
}
