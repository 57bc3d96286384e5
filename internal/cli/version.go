package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/mintmark-auth/mintmark/internal/version"
)

func (s *shell) newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version",
		Long:    `Print the version of mintmark, what it was built with and for which platform.`,
		Example: `  mintmark version --output json`,
		Args:    arguments(),
		RunE: func(*cobra.Command, []string) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			return s.answer(versionAnswer{version.String(), runtime.Version(), platform}, table{rows: [][]string{
				{"mintmark", version.String()},
				{"go", runtime.Version()},
				{"platform", platform},
			}})
		},
	}
}

type versionAnswer struct {
	Mintmark string `json:"mintmark"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}
