package main

import (
	"github.com/spf13/cobra"

	"proscenium/scenes/schema"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a configuration file",
		Long: `Schema prints the JSON Schema of the files of a configuration. An editor with a YAML language server completes and checks as you type where the
first line of a file names it:

  # yaml-language-server: $schema=bundle.schema.json`,
		Example: "  proscenium schema > configs/bundle.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := schema.JSONSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
