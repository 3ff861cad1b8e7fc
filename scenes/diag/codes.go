package diag

import (
	"slices"
	"strings"

	"proscenium/rules"
)

// Code names a kind of finding. Codes are stable: programs may depend on them.
type Code string

// Findings about files and YAML.
const (
	Unreadable     Code = "UNREADABLE"
	FileTooLarge   Code = "FILE_TOO_LARGE"
	NotUTF8        Code = "NOT_UTF8"
	YAMLSyntax     Code = "YAML_SYNTAX"
	YAMLTag        Code = "YAML_TAG"
	YAMLMerge      Code = "YAML_MERGE"
	TooManyAliases Code = "TOO_MANY_ALIASES"
	DuplicateKey   Code = "DUPLICATE_KEY"
	TooMany        Code = "TOO_MANY_FINDINGS"
)

// Findings about fields and their types.
const (
	UnknownField     Code = "UNKNOWN_FIELD"
	WrongType        Code = "WRONG_TYPE"
	OutOfRange       Code = "OUT_OF_RANGE"
	UnknownEnum      Code = "UNKNOWN_ENUM"
	BadDuration      Code = "BAD_DURATION"
	BadTimestamp     Code = "BAD_TIMESTAMP"
	ConflictingField Code = "CONFLICTING_FIELDS"
	DuplicateSection Code = "DUPLICATE_SECTION"
	MissingField     Code = "MISSING_FIELD"
	Constraint       Code = "CONSTRAINT"
)

// Findings about entities that belong together.
const (
	DuplicateID          Code = "DUPLICATE_ID"
	DuplicateName        Code = "DUPLICATE_NAME"
	DuplicateCommand     Code = "DUPLICATE_COMMAND"
	DuplicateCredential  Code = "DUPLICATE_CREDENTIAL"
	UnknownReference     Code = "UNKNOWN_REFERENCE"
	UnknownCommand       Code = "UNKNOWN_COMMAND"
	UnknownCurrency      Code = "UNKNOWN_CURRENCY"
	UnknownTimeZone      Code = "UNKNOWN_TIME_ZONE"
	RetiredScenario      Code = "RETIRED_SCENARIO"
	SceneNotAllowed      Code = "SCENE_NOT_ALLOWED"
	ExperimentMismatch   Code = "EXPERIMENT_MISMATCH"
	ExperimentShares     Code = "EXPERIMENT_SHARES"
	NeedsStock           Code = "NEEDS_STOCK"
	NeedsLiveStream      Code = "NEEDS_LIVE_STREAM"
	ShadowReference      Code = "SHADOW_REFERENCE"
	GuaranteesExceed     Code = "GUARANTEES_EXCEED_CAPACITY"
	NoRegion             Code = "NO_REGION"
	OriginalPriceMissing Code = "ORIGINAL_PRICE_MISSING"
	OriginalPriceTwice   Code = "ORIGINAL_PRICE_TWICE"
)

// Findings about expressions: the codes of package rules.
const (
	CELSyntax       Code = rules.CodeSyntax
	CELUnknownName  Code = rules.CodeUnknownName
	CELNotAvailable Code = rules.CodeNotAvailable
	CELType         Code = rules.CodeType
	CELResultType   Code = rules.CodeResultType
	CELValue        Code = rules.CodeValue
	CELCost         Code = rules.CodeCost
	CELTooLong      Code = rules.CodeTooLong
	CELInternal     Code = rules.CodeInternal
)

// Findings about sense: the configuration can serve, but hardly does what its author wants.
const (
	Unused            Code = "UNUSED"
	NoEffect          Code = "NO_EFFECT"
	MatchesAll        Code = "MATCHES_ALL"
	MatchesNothing    Code = "MATCHES_NOTHING"
	AlwaysTrue        Code = "ALWAYS_TRUE"
	NothingLeft       Code = "NOTHING_LEFT"
	EmptyScene        Code = "EMPTY_SCENE"
	NobodyEligible    Code = "NOBODY_ELIGIBLE"
	ExclusiveOriginal Code = "EXCLUSIVE_ORIGINAL_PRICE"
	SameSalt          Code = "SAME_SALT"
	SameUnit          Code = "SAME_UNIT"
	TimesContradict   Code = "TIMES_CONTRADICT"
	CacheSize         Code = "CACHE_SIZE"
	NoLiveTwin        Code = "NO_LIVE_TWIN"
	CountedTwice      Code = "COUNTED_TWICE"
	GuestsTogether    Code = "GUESTS_TOGETHER"
	LimitsContradict  Code = "LIMITS_CONTRADICT"
	DowngradeEnded    Code = "DOWNGRADE_ENDED"
	DowngradeTwice    Code = "DOWNGRADE_TWICE"
)

func senseCodes() []Code {
	return []Code{
		Unused, NoEffect, MatchesAll, MatchesNothing, AlwaysTrue, NothingLeft, EmptyScene, NobodyEligible, ExclusiveOriginal, SameSalt, SameUnit, TimesContradict,
		CacheSize, NoLiveTwin, CountedTwice, GuestsTogether, LimitsContradict, DowngradeEnded, DowngradeTwice,
	}
}

// Codes are all codes, in the order of the documentation.
func Codes() []Code {
	return slices.Concat(
		[]Code{Unreadable, FileTooLarge, NotUTF8, YAMLSyntax, YAMLTag, YAMLMerge, TooManyAliases, DuplicateKey, TooMany},
		[]Code{
			UnknownField, WrongType, OutOfRange, UnknownEnum, BadDuration, BadTimestamp, ConflictingField, DuplicateSection, MissingField, Constraint,
		},
		[]Code{
			DuplicateID, DuplicateName, DuplicateCommand, DuplicateCredential, UnknownReference, UnknownCommand, UnknownCurrency, UnknownTimeZone,
			RetiredScenario, SceneNotAllowed, ExperimentMismatch, ExperimentShares, NeedsStock, NeedsLiveStream,
			ShadowReference, GuaranteesExceed, NoRegion, OriginalPriceMissing, OriginalPriceTwice,
		},
		[]Code{CELSyntax, CELUnknownName, CELNotAvailable, CELType, CELResultType, CELValue, CELCost, CELTooLong, CELInternal},
		senseCodes(),
	)
}

// Severity is that of the code's findings: what only makes no sense is a Warning.
func (c Code) Severity() Severity {
	if slices.Contains(senseCodes(), c) {
		return Warning
	}
	return Error
}

// Page is where the code is documented, relative to the repository.
func (c Code) Page() string { return "docs/reference/diagnostics.md#" + strings.ToLower(string(c)) }
