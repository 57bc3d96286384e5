// Package version reports the version of mintmark.
package version

import "runtime/debug"

// String is the version of the module, with the commit for a build from a checkout.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	if text == "" || text == "(devel)" {
		text = "devel"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			text += " (" + setting.Value[:12] + ")"
		}
	}
	return text
}
