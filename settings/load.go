package settings

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"proscenium/scenes/diag"
)

// envPrefix begins the names of the environment's variables: PROSCENIUM_LOG_LEVEL is log.level.
const envPrefix = "PROSCENIUM_"

// lists are the settings that are lists: in the environment their elements stand between commas or spaces.
var lists = []string{"cors_origins", "redis.addresses", "redis.shadow_addresses"}

// passwordVariable is a secret that the process reads itself.
const passwordVariable = envPrefix + "REDIS_PASSWORD"

// orchestrated are the variables that Kubernetes sets in every container for a Service of the name proscenium; they are not settings.
var orchestrated = regexp.MustCompile(`^PROSCENIUM_(SERVICE_|PORT$|PORT_)`)

// Sources are where settings come from.
type Sources struct {
	// File is a YAML file; empty: none.
	File string
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Flags are those that [AddFlags] made, parsed; nil: none.
	Flags *pflag.FlagSet
}

// Load merges the sources and checks the result. Its error names every setting that is wrong and how to mend it.
func Load(sources Sources) (Settings, error) {
	s := Defaults()
	merged := koanf.New(".")
	if sources.File != "" {
		if err := loadFile(merged, sources.File); err != nil {
			return s, err
		}
	}
	if err := loadEnvironment(merged, sources.Environ); err != nil {
		return s, err
	}
	if sources.Flags != nil {
		if err := merged.Load(confmap.Provider(changed(sources.Flags), "."), nil); err != nil {
			return s, fmt.Errorf("settings from flags: %w", err)
		}
	}
	if _, err := decode(merged, &s); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	err := s.Check()
	return s, err
}

func loadFile(into *koanf.Koanf, name string) error {
	if _, err := os.Stat(name); err != nil {
		return fmt.Errorf("settings file: %w", err)
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(name), yaml.Parser()); err != nil {
		return fmt.Errorf("settings file %s: %w", name, err)
	}
	var s Settings
	unknown, err := decode(k, &s)
	if err != nil {
		return fmt.Errorf("settings file %s: %w", name, err)
	}
	var problems []error
	for _, key := range unknown {
		problems = append(problems, fmt.Errorf("settings file %s: there is no setting %s%s", name, key, meant(key, keys())))
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	return into.Merge(k)
}

func loadEnvironment(into *koanf.Koanf, environ []string) error {
	names := make(map[string]string)
	for _, key := range keys() {
		if key != "credentials" {
			names[envPrefix+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
		}
	}
	var problems []error
	provider := env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key, ok := names[name]
			switch {
			case ok && slices.Contains(lists, key):
				return key, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
			case ok:
				return key, value
			case name == passwordVariable || orchestrated.MatchString(name):
				return "", nil
			}
			problems = append(problems, fmt.Errorf("environment: %s sets nothing%s", name, meant(name, slices.Sorted(maps.Keys(names)))))
			return "", nil
		},
	})
	if err := into.Load(provider, nil); err != nil {
		return fmt.Errorf("settings from the environment: %w", err)
	}
	return errors.Join(problems...)
}

// decode fills into with what k has, and returns the keys that are no setting.
func decode(k *koanf.Koanf, into *Settings) (unknown []string, err error) {
	var found mapstructure.Metadata
	err = k.UnmarshalWithConf("", into, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result:           into,
		Metadata:         &found,
		WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.TextUnmarshallerHookFunc(),
		),
	}})
	slices.Sort(found.Unused)
	return found.Unused, err
}

// keys are the paths of all settings, such as log.level.
func keys() []string { return keysOf(reflect.TypeFor[Settings](), "") }

func keysOf(t reflect.Type, prefix string) []string {
	var all []string
	for f := range t.Fields() {
		key := prefix + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, keysOf(f.Type, key+".")...)
		} else {
			all = append(all, key)
		}
	}
	return all
}

// meant is a hint at the known name that was probably meant; empty where none is near.
func meant(name string, known []string) string {
	if best := diag.Nearest(name, known); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// flagKeys are the settings that have a flag, and its help.
var flagKeys = []struct{ key, help string }{
	{"config", "directory of the configuration, or its address etcd://HOST:PORT/PREFIX (default: the reference marketplace, built in)"},
	{"catalog", "directory of the catalog (default: the folder catalog in the directory of the configuration)"},
	{"listen", "address of the main port"},
	{"admin_listen", "address of the admin port"},
	{"data", "directory for what the process keeps"},
	{"access", "who may call: open or required (default: open, on a loopback address only)"},
	{"recording.sample_ratio", "share of the price requests that are recorded, 0 to 1"},
	{"recording.directory", "directory of the recordings (default: the folder requests in the directory of --data)"},
	{"log.level", "debug, info, warn or error"},
	{"log.format", "text, json or auto"},
}

// AddFlags defines the flags of the settings that have one: log.level is --log-level.
func AddFlags(flags *pflag.FlagSet) {
	defaults := Defaults()
	values := map[string]string{
		"listen": defaults.Listen, "admin_listen": defaults.AdminListen, "data": defaults.Data,
		"recording.sample_ratio": strconv.FormatFloat(defaults.Recording.SampleRatio, 'g', -1, 64),
		"log.level":              defaults.Log.Level, "log.format": defaults.Log.Format,
	}
	for _, f := range flagKeys {
		flags.String(flagName(f.key), values[f.key], f.help)
	}
}

func flagName(key string) string { return strings.NewReplacer("_", "-", ".", "-").Replace(key) }

// changed are the settings that were given as flags.
func changed(flags *pflag.FlagSet) map[string]any {
	given := make(map[string]any)
	for _, f := range flagKeys {
		if flag := flags.Lookup(flagName(f.key)); flag != nil && flag.Changed {
			given[f.key] = posflag.FlagVal(flags, flag)
		}
	}
	return given
}
