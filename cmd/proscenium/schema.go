package main

import (
	"github.com/spf13/cobra"

	"proscenium/scenes/schema"
)

func newSchema() *cobra.Command {
	var of string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a configuration file",
		Long: `Schema prints the JSON Schema of the files of a configuration, or of those of scene tests. An editor with a YAML language server completes and
checks as you type where the first line of a file names it:

  # yaml-language-server: $schema=bundle.schema.json`,
		Example: `  proscenium schema > configs/bundle.schema.json
  proscenium schema --of tests > configs/test.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("of", of, "configuration", "tests"); err != nil {
				return err
			}
			made := schema.JSONSchema
			if of == "tests" {
				made = schema.TestJSONSchema
			}
			text, err := made()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&of, "of", "configuration", "configuration or tests")
	return cmd
}
