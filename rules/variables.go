package rules

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"

	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
)

// variable is one dotted name and how it is read.
type variable struct {
	name, doc string
	// read is fn[bool], fn[int64], fn[string], fn[[]string] or instants.
	read any
	// length bounds a string, or the elements of a list, in characters; items bounds a list. What estimates of cost start from.
	length, items uint64
	// values are all that a variable of a closed set can be.
	values []string
}

// instants reads a timestamp as Unix nanoseconds, facts.Always and facts.Never for the open ends.
type instants fn[int64]

// Bounds of the largest values. Requests are held to theirs by the validation of the API; facts are by those who load them.
const (
	maxNames      = 100   // of request fields and of configured names
	maxText       = 1_000 // of names for people
	maxLabels     = 1_000
	maxSegments   = 1_000
	maxCategories = 32
)

// The errors of variables whose part is not there.
var (
	errNoPromo      = errors.New("promo is not known here")
	errNoPromoType  = errors.New("the price rule type of the promo is not known here")
	errNoModel      = errors.New("model is not known here")
	errNoItem       = errors.New("item is not known here: its facts are not loaded")
	errNoUser       = errors.New("user is not known here")
	errNoRequest    = errors.New("request is not known here")
	errNoVoucher    = errors.New("voucher is not known here")
	errNoLiveStream = errors.New("live_stream is not known here")
	errNoZone       = errors.New("the zone of the region is not known here")
	errNotListed    = errors.New("the value has no name")
)

func ofPromo[T any](get func(*facts.Promo) T) fn[T] {
	return func(in *Input, _ *locals) (v T, err error) {
		if in.Promo == nil {
			return v, errNoPromo
		}
		return get(in.Promo), nil
	}
}

func ofPromoType[T any](get func(*facts.PriceRuleType) T) fn[T] {
	return func(in *Input, _ *locals) (v T, err error) {
		if in.PromoType == nil {
			return v, errNoPromoType
		}
		return get(in.PromoType), nil
	}
}

func ofItem[T any](get func(*facts.Item) T) fn[T] {
	return func(in *Input, _ *locals) (v T, err error) {
		if in.Item == nil {
			return v, errNoItem
		}
		return get(in.Item), nil
	}
}

func ofUser[T any](get func(*facts.User) T) fn[T] {
	return func(in *Input, _ *locals) (v T, err error) {
		if in.User == nil {
			return v, errNoUser
		}
		return get(in.User), nil
	}
}

func ofRequest[T any](get func(*facts.Request) T) fn[T] {
	return func(in *Input, _ *locals) (v T, err error) {
		if in.Request == nil {
			return v, errNoRequest
		}
		return get(in.Request), nil
	}
}

func ofVoucher[T any](get func(*facts.Voucher) T) fn[T] {
	return func(in *Input, _ *locals) (v T, err error) {
		if in.Voucher == nil {
			return v, errNoVoucher
		}
		return get(in.Voucher), nil
	}
}

func ofLiveStream(get func(*facts.LiveStream) bool) fn[bool] {
	return func(in *Input, _ *locals) (bool, error) {
		if in.LiveStream == nil {
			return false, errNoLiveStream
		}
		return get(in.LiveStream), nil
	}
}

// voucherName reads a number of the voucher by the name that it has in the list.
func voucherName(names []string, get func(*facts.Voucher) int) fn[string] {
	return func(in *Input, _ *locals) (string, error) {
		if in.Voucher == nil {
			return "", errNoVoucher
		}
		i := get(in.Voucher)
		if i < 0 || i >= len(names) {
			return "", errNotListed
		}
		return names[i], nil
	}
}

// rewardTypes are the names of reward types by their numbers.
func rewardTypes() []string {
	names := make([]string, len(configv1.RewardType_name))
	for i := range names {
		names[i] = strings.TrimPrefix(configv1.RewardType(i).String(), "REWARD_TYPE_")
	}
	return names
}

// variables are those of all places, in the order of the reference.
func variables() []variable {
	voucherTypes := []string{facts.LayerShop: "SHOP_VOUCHER", facts.LayerPlatform: "PLATFORM_VOUCHER"}
	discountKinds := []string{facts.DiscountAmount: "AMOUNT", facts.DiscountPercent: "PERCENT", facts.DiscountNewPrice: "NEW_PRICE"}
	rewards := rewardTypes()
	return []variable{
		{name: "promo.id", doc: "unique within the model; 0 for an original price", read: ofPromo(func(p *facts.Promo) int64 { return p.ID })},
		{name: "promo.type", doc: "name of the price rule type", length: maxNames, read: ofPromoType(func(t *facts.PriceRuleType) string { return t.Name })},
		{name: "promo.type_id", doc: "id of the price rule type", read: ofPromo(func(p *facts.Promo) int64 { return int64(p.Type) })},
		{name: "promo.priority", doc: "priority of the price rule type; larger wins", read: ofPromoType(func(t *facts.PriceRuleType) int64 { return int64(t.Priority) })},
		{name: "promo.price", doc: "price of one unit in minor units, in the tax mode that the region shows by default, or the one known", read: fn[int64](promoPrice)},
		{name: "promo.pre_tax_price", doc: "price before tax in minor units; -1 where it is not known", read: ofPromo(func(p *facts.Promo) int64 { return p.PreTax })},
		{name: "promo.post_tax_price", doc: "price after tax in minor units; -1 where it is not known", read: ofPromo(func(p *facts.Promo) int64 { return p.PostTax })},
		{name: "promo.start_time", doc: "first instant; year 1 where the start is open", read: instants(ofPromo(func(p *facts.Promo) int64 { return p.Start }))},
		{name: "promo.end_time", doc: "first instant after the end; the end of year 9999 where the end is open", read: instants(ofPromo(func(p *facts.Promo) int64 { return p.End }))},
		{name: "promo.sold_out", doc: "nothing is left for this promotion", read: ofPromo(func(p *facts.Promo) bool { return p.SoldOut })},
		{name: "promo.stock", doc: "units left for this promotion; known in scenes that need stock", read: ofPromo(func(p *facts.Promo) int64 { return p.Stock })},
		{name: "promo.purchase_limit", doc: "units that one user may buy; 0: no limit", read: ofPromo(func(p *facts.Promo) int64 { return p.PurchaseLimit })},
		{name: "promo.audience", doc: "key of the users that an exclusive price is for", length: maxNames, read: ofPromo(func(p *facts.Promo) string { return p.Audience })},
		{name: "promo.session_id", doc: "live-stream session; 0: none", read: ofPromo(func(p *facts.Promo) int64 { return p.SessionID })},
		{name: "promo.streamer_id", doc: "streamer of the live-stream session; 0: none", read: ofPromo(func(p *facts.Promo) int64 { return p.StreamerID })},
		{name: "promo.is_original", doc: "the list price of the model: no promotion at all", read: ofPromoType(func(t *facts.PriceRuleType) bool { return t.Original })},

		{name: "model.id", doc: "the purchasable variant", read: fn[int64](modelID)},

		{name: "item.id", doc: "the product page", read: ofItem(func(i *facts.Item) int64 { return i.ID })},
		{name: "item.shop_id", doc: "who sells it", read: ofItem(func(i *facts.Item) int64 { return i.ShopID })},
		{name: "item.name", doc: "name for people", length: maxText, read: ofItem(func(i *facts.Item) string { return i.Name })},
		{name: "item.brand", doc: "brand; empty where there is none", length: maxText, read: ofItem(func(i *facts.Item) string { return i.Brand })},
		{name: "item.categories", doc: "categories from the root to the leaf", length: maxNames, items: maxCategories, read: ofItem(func(i *facts.Item) []string { return i.Categories })},
		{name: "item.category", doc: "the leaf category; empty where there is none", length: maxNames, read: ofItem(leafCategory)},
		{name: "item.seller_type", doc: "kind of the shop, such as official", length: maxNames, read: ofItem(func(i *facts.Item) string { return i.SellerType })},
		{name: "item.labels", doc: "labels of the item; they come from a dependency of their own", length: maxNames, items: maxLabels, read: ofItem(func(i *facts.Item) []string { return i.Labels })},

		{name: "user.id", doc: "the user; 0 for a guest", read: ofUser(func(u *facts.User) int64 { return u.ID })},
		{name: "user.logged_in", doc: "there is a user: the request is not a guest's", read: ofUser((*facts.User).LoggedIn)},
		{name: "user.segments", doc: "groups that the user belongs to", length: maxNames, items: maxSegments, read: ofUser(func(u *facts.User) []string { return u.Segments })},

		{name: "request.region", doc: "region code, such as US", length: 2, read: ofRequest(func(r *facts.Request) string { return r.Region })},
		{name: "request.scene", doc: "name of the scene", length: maxNames, read: ofRequest(func(r *facts.Request) string { return r.Scene })},
		{name: "request.scenario", doc: "name of the scenario", length: maxNames, read: ofRequest(func(r *facts.Request) string { return r.Scenario })},
		{name: "request.client", doc: "name of the client that calls", length: maxNames, read: ofRequest(func(r *facts.Request) string { return r.Client })},
		{name: "request.time", doc: "the instant priced for", read: instants(ofRequest(func(r *facts.Request) int64 { return r.At }))},
		{name: "request.order_flow", doc: "the answer is used to place an order", read: ofRequest(func(r *facts.Request) bool { return r.OrderFlow })},
		{name: "request.client_platform", doc: "such as app_ios, app_android, web", length: maxNames, read: ofRequest(func(r *facts.Request) string { return r.Platform })},
		{name: "request.user_path", doc: "where the user came from, such as home, search, live_stream", length: maxNames, read: ofRequest(func(r *facts.Request) string { return r.UserPath })},
		{name: "request.device_type", doc: "such as phone, tablet, desktop", length: maxNames, read: ofRequest(func(r *facts.Request) string { return r.DeviceType })},
		{name: "request.live_stream_streamer_id", doc: "streamer that the user watches; 0: none", read: ofRequest(func(r *facts.Request) int64 { return r.StreamerID })},
		{name: "request.video_creator_id", doc: "creator of the video that the user came from; 0: none", read: ofRequest(func(r *facts.Request) int64 { return r.VideoCreatorID })},
		{name: "request.ads_id", doc: "advertisement that the user came from; 0: none", read: ofRequest(func(r *facts.Request) int64 { return r.AdsID })},

		{name: "voucher.id", doc: "the voucher definition", read: ofVoucher(func(v *facts.Voucher) int64 { return v.ID })},
		{name: "voucher.code", doc: "code that users type", length: maxNames, read: ofVoucher(func(v *facts.Voucher) string { return v.Code })},
		{name: "voucher.name", doc: "name for people", length: maxText, read: ofVoucher(func(v *facts.Voucher) string { return v.Name })},
		{name: "voucher.shop_id", doc: "owner of a shop voucher; 0 for the platform's", read: ofVoucher(func(v *facts.Voucher) int64 { return v.ShopID })},
		{name: "voucher.type", doc: "who gives it", length: 16, values: voucherTypes, read: voucherName(voucherTypes, func(v *facts.Voucher) int { return int(v.Layer) })},
		{name: "voucher.reward_type", doc: "what it gives", length: 32, values: rewards, read: voucherName(rewards, func(v *facts.Voucher) int { return int(v.RewardType) })},
		{name: "voucher.market_type", doc: "market that it is for; empty: any", length: maxNames, read: ofVoucher(func(v *facts.Voucher) string { return v.MarketType })},
		{name: "voucher.hidden", doc: "not shown in lists", read: ofVoucher(func(v *facts.Voucher) bool { return v.Hidden })},
		{name: "voucher.exclusive", doc: "never together with another voucher", read: ofVoucher(func(v *facts.Voucher) bool { return v.Exclusive })},
		{name: "voucher.group", doc: "at most one voucher of a group is used; empty: none", length: maxNames, read: ofVoucher(func(v *facts.Voucher) string { return v.Group })},
		{name: "voucher.has_user_condition", doc: "only some users may use it", read: ofVoucher((*facts.Voucher).HasUserCondition)},
		{name: "voucher.min_spend", doc: "least spend in minor units", read: ofVoucher(func(v *facts.Voucher) int64 { return v.MinSpend })},
		{name: "voucher.discount_kind", doc: "how the discount is computed", length: 10, values: discountKinds, read: voucherName(discountKinds, func(v *facts.Voucher) int { return int(v.Kind) })},
		{name: "voucher.value", doc: "an amount in minor units, a rate in 1e5 (100% is 100000), or the new price, by discount_kind", read: ofVoucher(func(v *facts.Voucher) int64 { return v.Value })},
		{name: "voucher.start_time", doc: "first instant of use; year 1 where the start is open", read: instants(ofVoucher(func(v *facts.Voucher) int64 { return v.Start }))},
		{name: "voucher.end_time", doc: "first instant after its use; the end of year 9999 where the end is open", read: instants(ofVoucher(func(v *facts.Voucher) int64 { return v.End }))},

		{name: "live_stream.ongoing", doc: "the promotion's session is on at the time priced for", read: ofLiveStream(func(l *facts.LiveStream) bool { return l.Ongoing })},
		{name: "live_stream.token_valid", doc: "the request's token was given out by this session", read: ofLiveStream(func(l *facts.LiveStream) bool { return l.TokenValid })},
		{name: "live_stream.auto_enable", doc: "the scenario enables ongoing live-stream promotions for everybody", read: ofLiveStream(func(l *facts.LiveStream) bool { return l.AutoEnable })},
	}
}

// promoPrice is of the input, not of the record: which of the record's prices it is depends on the region.
func promoPrice(in *Input, _ *locals) (int64, error) {
	if in.Promo == nil {
		return 0, errNoPromo
	}
	return in.PromoPrice, nil
}

func modelID(in *Input, _ *locals) (int64, error) {
	if in.Model == nil {
		return 0, errNoModel
	}
	return in.Model.ID, nil
}

func leafCategory(i *facts.Item) string {
	if len(i.Categories) == 0 {
		return ""
	}
	return i.Categories[len(i.Categories)-1]
}

// celType is the declared type.
func (v variable) celType() *cel.Type {
	switch v.read.(type) {
	case fn[bool]:
		return cel.BoolType
	case fn[int64]:
		return cel.IntType
	case fn[string]:
		return cel.StringType
	case fn[[]string]:
		return cel.ListType(cel.StringType)
	case instants:
		return cel.TimestampType
	default:
		panic(fmt.Sprintf("variable %s is read by a %T", v.name, v.read))
	}
}
