package facts

// Exclusivity names the eligibility check that a promotion needs; the numbers are those of proscenium.config.v1.Exclusivity.
type Exclusivity uint8

// The exclusivities.
const (
	NotExclusive Exclusivity = 1 + iota
	ExclusivePrice
	LiveStreamPrice
	WelcomePackage
)

// PriceRuleType is a kind of product promotion, as configured.
type PriceRuleType struct {
	ID       int32
	Name     string
	Priority int32 // larger wins
	// Exclusivity is NotExclusive for types that are never checked.
	Exclusivity        Exclusivity
	Original           bool
	FlexibleLiveStream bool
}

// Stock is what is left of a model.
type Stock struct {
	// Known says that the provider knows the model at all.
	Known     bool
	Available int64
	Breakdown []LocationStock
	Timeslots []TimeslotStock
	// Purchased is what the user has bought of the promotion asked for.
	Purchased int64
}

// LocationStock is the part of a stock at one place.
type LocationStock struct {
	Location  string
	Available int64
}

// TimeslotStock is the part of a stock that is for sale in [Start, End).
type TimeslotStock struct {
	Start, End int64
	Available  int64
}

// TaxRate is a tax in 1e5 of the pre-tax price.
type TaxRate struct {
	Known bool
	Rate  int64
}

// Decoration is how a promotion is dressed up; the zero value is none.
type Decoration struct {
	Label, Color, ImageURL string
}

// Package is a package promotion: several models for one price.
type Package struct {
	ID       int64
	Name     string
	ModelIDs []int64
	// Price is that of the package, OriginalPrice that of its models one by one.
	Price, OriginalPrice int64
}

// VoucherUse is a voucher with what it does for one unit; the zero value is none.
type VoucherUse struct {
	Voucher *Voucher
	// Discount is what is taken off, or given beside; Rebate is the part of it that somebody else pays for.
	Discount, Rebate int64
}

// VoucherVerdict tells what became of a voucher that was considered.
type VoucherVerdict struct {
	VoucherID int64
	Applied   bool
	// Reason is the first reason why it does not apply; empty where it was applied.
	Reason string
	// Discount is what it takes off, or would take off where it lost to another.
	Discount int64
	// Missing is, for MIN_SPEND, the spend that is missing, for LOST_TO what the other saves more.
	Missing         int64
	LostToVoucherID int64
}

// VoucherChoice answers voucher.best_vouchers for one model.
type VoucherChoice struct {
	// Shop and Platform are the pair to take off the price.
	Shop, Platform VoucherUse
	// BestShop and BestPlatform are the best of each kind, each on its own.
	BestShop, BestPlatform VoucherUse
	// NextBest is the best that the user just misses, for NextBestReason; NextBestMissing is the missing spend, if that is the reason.
	NextBest        VoucherUse
	NextBestReason  string
	NextBestMissing int64
	// HighestTier has the largest discount reachable at any spend.
	HighestTier VoucherUse
	// Beside holds the best of each reward type that does not reduce the price.
	Beside []VoucherUse
	// Considered holds every voucher looked at, where the trace was asked for.
	Considered []VoucherVerdict
}

// rewardTypes are the names of the reward types 0 to 14.
var rewardTypes = [...]string{
	"DISCOUNT", "COIN_CASHBACK", "FREE_SHIPPING", "PREPAID_CASHBACK", "PREPAID_COIN_CASHBACK", "PREPAID_DISCOUNT", "SHIPPING_FEE",
	"ADMIN_FEE_DISCOUNT", "INTEREST_RATE_FEE_DISCOUNT", "REPAYMENT_DISCOUNT", "MONEY_CASHBACK", "ATTESTATION_FEE_DISCOUNT",
	"WAKALAH_FEE_DISCOUNT", "LAST_INSTALLMENT_FEE_DISCOUNT", "FIXED_INTEREST_RATE",
}

// RewardTypeName is the name of a reward type, or empty for a number that is none.
func RewardTypeName(t int32) string {
	if t < 0 || int(t) >= len(rewardTypes) {
		return ""
	}
	return rewardTypes[t]
}

// RewardTypeNamed is the number of a reward type.
func RewardTypeNamed(name string) (int32, bool) {
	for i, n := range rewardTypes {
		if n == name {
			return int32(i), true
		}
	}
	return 0, false
}
