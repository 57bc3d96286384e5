package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mintmark-auth/mintmark/internal/config"
)

// settingAnnotation marks the flags that are settings of the configuration. Every
// command takes them; only `config --help` lists them, else they would drown the
// flags that a command has of its own.
const settingAnnotation = "mintmark_setting"

func registerConfigFlags(flags *pflag.FlagSet) {
	settings := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.RegisterFlags(settings)
	settings.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" {
			f.Annotations = map[string][]string{settingAnnotation: {"true"}}
		}
		flags.AddFlag(f)
	})
}

func isSetting(f *pflag.Flag) bool { return f.Annotations[settingAnnotation] != nil }

// givenSetting names a setting that was given by its flag, if any was: commands that
// have no configuration of their own take none.
func givenSetting(cmd *cobra.Command) (name string) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if isSetting(flag) {
			name = flag.Name
		}
	})
	return name
}

// usage writes what stands below a command's description in its help.
func usage(cmd *cobra.Command) error {
	var page strings.Builder
	fmt.Fprintf(&page, "Usage\n  %s\n", useLine(cmd))
	if cmd.HasAvailableSubCommands() {
		writeCommands(&page, cmd)
	}
	if cmd.HasExample() {
		fmt.Fprintf(&page, "\nExamples\n%s\n", cmd.Example)
	}
	own, common, settings := sortFlags(cmd)
	writeFlags(&page, "Flags", own)
	writeFlags(&page, "Common flags", common)
	if cmd.Name() == "config" {
		writeFlags(&page, "Configuration flags (docs/configuration.md has the variables and the rules)", settings)
	}
	if !cmd.HasParent() {
		page.WriteString("\n`mintmark COMMAND --help` says more. Every setting is a flag, a variable and a key of the\nfile: `mintmark config --help` lists them.\n")
	}
	_, err := io.WriteString(cmd.OutOrStdout(), page.String())
	return err
}

func useLine(cmd *cobra.Command) string {
	line := cmd.CommandPath()
	if cmd.HasAvailableSubCommands() {
		line += " COMMAND"
	}
	if _, operands, ok := strings.Cut(cmd.Use, " "); ok {
		line += " " + operands
	}
	return line + " [flags]"
}

// writeCommands lists the commands by chapter, those without one under a plain title.
func writeCommands(page *strings.Builder, cmd *cobra.Command) {
	width := 0
	for _, c := range cmd.Commands() {
		width = max(width, len(c.Name()))
	}
	write := func(title, group string) {
		heading := "\n" + title + "\n"
		for _, c := range cmd.Commands() {
			if c.GroupID == group && (c.IsAvailableCommand() || c.Name() == "help") {
				fmt.Fprintf(page, "%s  %-*s  %s\n", heading, width, c.Name(), c.Short)
				heading = ""
			}
		}
	}
	for _, g := range cmd.Groups() {
		write(g.Title, g.ID)
	}
	write("Commands", "")
}

// sortFlags parts a command's flags: its own, those every command has, and the settings.
func sortFlags(cmd *cobra.Command) (own, common, settings *pflag.FlagSet) {
	own, common, settings = pflag.NewFlagSet("", 0), pflag.NewFlagSet("", 0), pflag.NewFlagSet("", 0)
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "version" {
			common.AddFlag(f)
			return
		}
		own.AddFlag(f)
	})
	shared := func(f *pflag.Flag) {
		switch {
		case own.Lookup(f.Name) != nil, common.Lookup(f.Name) != nil:
		case isSetting(f):
			settings.AddFlag(f)
		default:
			common.AddFlag(f)
		}
	}
	cmd.PersistentFlags().VisitAll(shared)
	cmd.InheritedFlags().VisitAll(shared)
	return own, common, settings
}

func writeFlags(page *strings.Builder, title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		fmt.Fprintf(page, "\n%s\n%s", title, flags.FlagUsages())
	}
}

// unknownCommand names the nearest commands there are.
func unknownCommand(cmd *cobra.Command, word string) error {
	for distance := 1; distance <= 3; distance++ {
		cmd.SuggestionsMinimumDistance = distance
		if near := cmd.SuggestionsFor(word); len(near) > 0 {
			return usagef("unknown command %q; did you mean `%s %s`?", cmd.CommandPath()+" "+word, cmd.CommandPath(), near[0])
		}
	}
	return usagef("unknown command %q; see `%s --help`", cmd.CommandPath()+" "+word, cmd.CommandPath())
}

// flagError makes a flag error one of usage. Behind a mistyped command every flag
// is unknown too; the command is the mistake to name.
func flagError(cmd *cobra.Command, err error) error {
	if words := cmd.Flags().Args(); cmd.HasAvailableSubCommands() && len(words) > 0 {
		return unknownCommand(cmd, words[0])
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if _, ok := errors.AsType[*strconv.NumError](err); ok {
			return usagef("--%s %q is not a whole number; see `%s --help`", invalid.GetFlag().Name, invalid.GetValue(), cmd.CommandPath())
		}
	}
	return usagef("%v; see `%s --help`", config.FlagError(cmd.Flags(), err), cmd.CommandPath())
}
