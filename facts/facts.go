// Package facts holds the facts that prices are made of: what providers know of models, items, users and vouchers, and what rules can see of them.
//
// Values handed out by a provider are shared and immutable: nobody may change them after they were returned.
// Money is in minor units of the region's currency, rates are inflated by 1e5 (100% is 100000), instants are Unix nanoseconds.
package facts

import "math"

// RateOne is 100%.
const RateOne = 100_000

// Bounds of a window that is open on that side.
const (
	Always int64 = math.MinInt64
	Never  int64 = math.MaxInt64
)

// NoPrice marks a price that a record does not carry.
const NoPrice int64 = -1

// Promo is one product promotion of a model, or its original price: one record of price, stock and sold-out information.
type Promo struct {
	// ID is unique within the model; 0 for an original price.
	ID int64
	// Type is the id of a price rule type of the configuration.
	Type int32
	// SoldOut says that nothing is left for this promotion.
	SoldOut bool
	// PreTax and PostTax are prices of one unit, or NoPrice; at least one is known.
	PreTax, PostTax int64
	// Start and End bound the window [Start, End): Always and Never where it is open.
	Start, End int64
	// Stock is the units left for this promotion; meaningful in answers to queries with stock.
	Stock int64
	// PurchaseLimit is the units that one user may buy; 0: no limit.
	PurchaseLimit int64
	// Audience is the key of the users that an exclusive price is for.
	Audience string
	// SessionID and StreamerID belong to a live-stream promotion; 0 otherwise.
	SessionID, StreamerID int64
}

// Model is what is known of one purchasable variant.
type Model struct {
	ID     int64
	ItemID int64
	ShopID int64
	Promos []Promo
}

// Item is what is known of a product page.
type Item struct {
	ID     int64
	ShopID int64
	Name   string
	Brand  string
	// Categories go from the root to the leaf.
	Categories []string
	// SellerType is the shop's kind, such as official.
	SellerType string
	// Labels come from a command of their own (listing.labels).
	Labels []string
}

// User is what is known of a user.
type User struct {
	// ID is 0 for a guest.
	ID int64
	// Segments are the groups that the user belongs to, such as income_50_74k or new_user. The engine's own places do not see them.
	Segments []string
}

// LoggedIn says whether there is a user at all.
func (u *User) LoggedIn() bool { return u.ID != 0 }

// Request is what rules and providers see of a price request.
type Request struct {
	Region     string
	Scene      string
	Scenario   string
	Client     string
	UserID     int64
	At         int64 // the instant priced for
	OrderFlow  bool
	Platform   string // client_platform
	UserPath   string
	DeviceType string
	StreamerID int64
	// LiveStreamToken is the caller's live_stream_discount_token.
	LiveStreamToken string
	VideoCreatorID  int64
	AdsID           int64
}

// LiveStream is what the eligibility rule of live-stream promotions sees of the promotion's session.
type LiveStream struct {
	// Ongoing says that the session is on at the time priced for.
	Ongoing bool
	// TokenValid says that the request's token was given out by this session.
	TokenValid bool
	// AutoEnable is the scenario's automatically_enable_ongoing_live_stream_promotions.
	AutoEnable bool
}

// Layer is the place of a voucher in a stack: shop vouchers are taken off first.
type Layer uint8

// The layers that price display knows.
const (
	LayerShop Layer = iota
	LayerPlatform
)

// DiscountKind says how a voucher's discount is computed.
type DiscountKind uint8

// The kinds of discount.
const (
	DiscountAmount   DiscountKind = iota // a fixed amount
	DiscountPercent                      // a rate of the running amount, rounded half up
	DiscountNewPrice                     // the unit costs this much
)

// Voucher is the definition of a voucher, as far as choosing needs it.
type Voucher struct {
	ID     int64
	Code   string
	Name   string
	Region string
	// Layer is also the voucher type: SHOP_VOUCHER or PLATFORM_VOUCHER.
	Layer Layer
	// ShopID is the owner of a shop voucher; 0 for the platform's.
	ShopID int64
	// RewardType is 0 to 14, as proscenium.config.v1.RewardType.
	RewardType int32
	MarketType string

	Kind DiscountKind
	// Value is an amount, a rate in 1e5, or the new price, by Kind.
	Value int64
	// CapPerUnit bounds the discount of one unit; 0: no bound.
	CapPerUnit int64
	// MinSpend is compared with >= to what earlier layers left.
	MinSpend int64
	// RebateShare of the discount is paid for by somebody else, in 1e5.
	RebateShare int64

	// Scope: empty lists do not restrict. Models, Items, Categories, Labels match if any element does; the Not lists exclude.
	Models, Items                      []int64
	Categories, Labels                 []string
	NotModels, NotItems                []int64
	NotCategories, NotLabels           []string
	AppliesWhen                        string // CEL over voucher, item, model, user, request
	UserCondition                      string // CEL over user
	Start, End                         int64  // usage window [Start, End)
	Hidden                             bool
	Exclusive                          bool   // never together with another voucher
	Group                              string // at most one voucher of a group
	UserPaths, Platforms, DeviceTypes  []string
	StreamerIDs, VideoCreators, AdsIDs []int64
}

// HasUserCondition says whether only some users may use the voucher.
func (v *Voucher) HasUserCondition() bool { return v.UserCondition != "" }

// VoucherSet is a set of voucher definitions; its identity (the pointer) stands for its content, so that what was derived from it can be kept.
type VoucherSet struct{ Vouchers []Voucher }
