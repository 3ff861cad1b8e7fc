package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/rules"
	"proscenium/scenes/diag"
)

// parseInput reads what an expression may look at. Its parts are those of the variables; a part that is not written stays nil.
func parseInput(data []byte) (*rules.Input, error) {
	var parts map[string]yaml.Node
	if err := yaml.Unmarshal(data, &parts); err != nil {
		return nil, fmt.Errorf("it is not a mapping of promo, user, ...: %w", err)
	}
	in := &rules.Input{Zone: time.UTC}
	setters := inputSetters(in)
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		node := parts[part]
		if part == "zone" {
			zone, err := time.LoadLocation(node.Value)
			if err != nil {
				return nil, fmt.Errorf("zone: %w", err)
			}
			in.Zone = zone
			continue
		}
		if !makePart(in, part) {
			return nil, fmt.Errorf("there is no %s; the parts are promo, model, item, user, request, voucher, live_stream and zone", part)
		}
		var fields map[string]yaml.Node
		if err := node.Decode(&fields); err != nil {
			return nil, fmt.Errorf("%s is not a mapping: %w", part, err)
		}
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			name, value := part+"."+field, fields[field]
			set, ok := setters[name]
			if !ok {
				return nil, fmt.Errorf("there is no %s; %s", name, diag.Suggest(name, "variables", slices.Collect(maps.Keys(setters))))
			}
			if err := set(&value); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return in, nil
}

// makePart makes the part that a variable's name begins with; false: there is none.
func makePart(in *rules.Input, part string) bool {
	switch part {
	case "promo":
		in.Promo = &facts.Promo{PreTax: facts.NoPrice, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never}
		in.PromoType = &facts.PriceRuleType{}
	case "model":
		in.Model = &facts.Model{}
	case "item":
		in.Item = &facts.Item{}
	case "user":
		in.User = &facts.User{}
	case "request":
		in.Request = &facts.Request{}
	case "voucher":
		in.Voucher = &facts.Voucher{Start: facts.Always, End: facts.Never}
	case "live_stream":
		in.LiveStream = &facts.LiveStream{}
	default:
		return false
	}
	return true
}

type setter func(*yaml.Node) error

// plain reads a value as YAML does.
func plain[T any](to func() *T) setter { return func(n *yaml.Node) error { return n.Decode(to()) } }

// instant reads RFC 3339.
func instant(to func() *int64) setter {
	return func(n *yaml.Node) error {
		at, err := time.Parse(time.RFC3339Nano, n.Value)
		if err != nil {
			return fmt.Errorf("%q is no time; write one such as 2026-05-01T12:00:00Z", n.Value)
		}
		*to() = at.UnixNano()
		return nil
	}
}

// named reads the number of a name in a list.
func named(names []string, set func(int)) setter {
	return func(n *yaml.Node) error {
		i := slices.Index(names, n.Value)
		if i < 0 {
			return fmt.Errorf("%q is not one of %s", n.Value, strings.Join(names, ", "))
		}
		set(i)
		return nil
	}
}

// derived refuses what follows from another value.
func derived(from string) setter {
	return func(*yaml.Node) error { return errors.New("it follows from " + from + ": set that") }
}

// inputSetters has every variable that rules know, by name.
func inputSetters(in *rules.Input) map[string]setter {
	return map[string]setter{
		"promo.id":             plain(func() *int64 { return &in.Promo.ID }),
		"promo.type":           plain(func() *string { return &in.PromoType.Name }),
		"promo.type_id":        plain(func() *int32 { return &in.Promo.Type }),
		"promo.priority":       plain(func() *int32 { return &in.PromoType.Priority }),
		"promo.price":          plain(func() *int64 { return &in.PromoPrice }),
		"promo.pre_tax_price":  plain(func() *int64 { return &in.Promo.PreTax }),
		"promo.post_tax_price": plain(func() *int64 { return &in.Promo.PostTax }),
		"promo.start_time":     instant(func() *int64 { return &in.Promo.Start }),
		"promo.end_time":       instant(func() *int64 { return &in.Promo.End }),
		"promo.sold_out":       plain(func() *bool { return &in.Promo.SoldOut }),
		"promo.stock":          plain(func() *int64 { return &in.Promo.Stock }),
		"promo.purchase_limit": plain(func() *int64 { return &in.Promo.PurchaseLimit }),
		"promo.audience":       plain(func() *string { return &in.Promo.Audience }),
		"promo.session_id":     plain(func() *int64 { return &in.Promo.SessionID }),
		"promo.streamer_id":    plain(func() *int64 { return &in.Promo.StreamerID }),
		"promo.is_original":    plain(func() *bool { return &in.PromoType.Original }),

		"model.id": plain(func() *int64 { return &in.Model.ID }),

		"item.id":          plain(func() *int64 { return &in.Item.ID }),
		"item.shop_id":     plain(func() *int64 { return &in.Item.ShopID }),
		"item.name":        plain(func() *string { return &in.Item.Name }),
		"item.brand":       plain(func() *string { return &in.Item.Brand }),
		"item.categories":  plain(func() *[]string { return &in.Item.Categories }),
		"item.category":    derived("item.categories, whose last is the leaf"),
		"item.seller_type": plain(func() *string { return &in.Item.SellerType }),
		"item.labels":      plain(func() *[]string { return &in.Item.Labels }),

		"user.id":        plain(func() *int64 { return &in.User.ID }),
		"user.logged_in": derived("user.id, which is 0 for a guest"),
		"user.segments":  plain(func() *[]string { return &in.User.Segments }),

		"request.region":                  plain(func() *string { return &in.Request.Region }),
		"request.scene":                   plain(func() *string { return &in.Request.Scene }),
		"request.scenario":                plain(func() *string { return &in.Request.Scenario }),
		"request.client":                  plain(func() *string { return &in.Request.Client }),
		"request.time":                    instant(func() *int64 { return &in.Request.At }),
		"request.order_flow":              plain(func() *bool { return &in.Request.OrderFlow }),
		"request.client_platform":         plain(func() *string { return &in.Request.Platform }),
		"request.user_path":               plain(func() *string { return &in.Request.UserPath }),
		"request.device_type":             plain(func() *string { return &in.Request.DeviceType }),
		"request.live_stream_streamer_id": plain(func() *int64 { return &in.Request.StreamerID }),
		"request.video_creator_id":        plain(func() *int64 { return &in.Request.VideoCreatorID }),
		"request.ads_id":                  plain(func() *int64 { return &in.Request.AdsID }),

		"voucher.id":      plain(func() *int64 { return &in.Voucher.ID }),
		"voucher.code":    plain(func() *string { return &in.Voucher.Code }),
		"voucher.name":    plain(func() *string { return &in.Voucher.Name }),
		"voucher.shop_id": plain(func() *int64 { return &in.Voucher.ShopID }),
		"voucher.type": named([]string{facts.LayerShop: "SHOP_VOUCHER", facts.LayerPlatform: "PLATFORM_VOUCHER"},
			func(i int) { in.Voucher.Layer = facts.Layer(i) }),
		"voucher.reward_type": named(rewardTypes(), func(i int) { in.Voucher.RewardType = int32(i) }),
		"voucher.market_type": plain(func() *string { return &in.Voucher.MarketType }),
		"voucher.hidden":      plain(func() *bool { return &in.Voucher.Hidden }),
		"voucher.exclusive":   plain(func() *bool { return &in.Voucher.Exclusive }),
		"voucher.group":       plain(func() *string { return &in.Voucher.Group }),
		"voucher.has_user_condition": func(n *yaml.Node) error {
			var has bool
			if err := n.Decode(&has); err != nil {
				return err
			}
			in.Voucher.UserCondition = ""
			if has {
				in.Voucher.UserCondition = "true"
			}
			return nil
		},
		"voucher.min_spend": plain(func() *int64 { return &in.Voucher.MinSpend }),
		"voucher.discount_kind": named([]string{facts.DiscountAmount: "AMOUNT", facts.DiscountPercent: "PERCENT", facts.DiscountNewPrice: "NEW_PRICE"},
			func(i int) { in.Voucher.Kind = facts.DiscountKind(i) }),
		"voucher.value":      plain(func() *int64 { return &in.Voucher.Value }),
		"voucher.start_time": instant(func() *int64 { return &in.Voucher.Start }),
		"voucher.end_time":   instant(func() *int64 { return &in.Voucher.End }),

		"live_stream.ongoing":     plain(func() *bool { return &in.LiveStream.Ongoing }),
		"live_stream.token_valid": plain(func() *bool { return &in.LiveStream.TokenValid }),
		"live_stream.auto_enable": plain(func() *bool { return &in.LiveStream.AutoEnable }),
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
