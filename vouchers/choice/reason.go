package choice

// Reason is the first reason why a voucher does not apply to a model. Reasons are ordered as they are checked.
type Reason uint8

// The reasons. docs/reference/voucher-reasons.md explains each.
const (
	Applied Reason = iota
	InvalidDefinition
	OtherRegion
	NotInPool
	NotStarted
	Ended
	OtherShop
	ModelScope
	ItemScope
	CategoryScope
	LabelScope
	UserPath
	Streamer
	VideoCreator
	Ads
	ClientPlatform
	DeviceType
	UserCondition
	AppliesWhen
	RuleError
	MinSpend
	NoEffect
	Beside
	Exclusive
	Group
	LostTo
	reasonCount
)

var reasonNames = [reasonCount]string{
	"", "INVALID_DEFINITION", "REGION", "NOT_IN_POOL", "NOT_STARTED", "ENDED", "SHOP", "MODEL_SCOPE", "ITEM_SCOPE", "CATEGORY_SCOPE", "LABEL_SCOPE",
	"USER_PATH", "STREAMER", "VIDEO_CREATOR", "ADS", "CLIENT_PLATFORM", "DEVICE_TYPE", "USER_CONDITION", "APPLIES_WHEN", "RULE_ERROR",
	"MIN_SPEND", "NO_EFFECT", "BESIDE", "EXCLUSIVE", "GROUP", "LOST_TO",
}

// String is the reason as answers name it; empty for Applied.
func (r Reason) String() string { return reasonNames[r] }
