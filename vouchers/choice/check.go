package choice

import (
	"math/bits"
	"slices"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// failures is a set of failed validations, by configv1.VoucherValidation; ruleFailed stands for a user condition that could not be evaluated.
type failures uint16

const ruleFailed failures = 1 << 15

// changeable are the validations that a user can do something about.
const changeable = failures(1<<configv1.VoucherValidation_VOUCHER_VALIDATION_USER_PATH |
	1<<configv1.VoucherValidation_VOUCHER_VALIDATION_CLIENT_PLATFORM |
	1<<configv1.VoucherValidation_VOUCHER_VALIDATION_DEVICE_TYPE |
	1<<configv1.VoucherValidation_VOUCHER_VALIDATION_USER_CONDITION)

// first is the reason of the first failed validation, or Applied.
func (f failures) first() Reason {
	if f == 0 {
		return Applied
	}
	switch configv1.VoucherValidation(bits.TrailingZeros16(uint16(f))) {
	case configv1.VoucherValidation_VOUCHER_VALIDATION_USER_PATH:
		return UserPath
	case configv1.VoucherValidation_VOUCHER_VALIDATION_STREAMER:
		return Streamer
	case configv1.VoucherValidation_VOUCHER_VALIDATION_VIDEO_CREATOR:
		return VideoCreator
	case configv1.VoucherValidation_VOUCHER_VALIDATION_ADS:
		return Ads
	case configv1.VoucherValidation_VOUCHER_VALIDATION_CLIENT_PLATFORM:
		return ClientPlatform
	case configv1.VoucherValidation_VOUCHER_VALIDATION_DEVICE_TYPE:
		return DeviceType
	case configv1.VoucherValidation_VOUCHER_VALIDATION_USER_CONDITION:
		return UserCondition
	default:
		return RuleError
	}
}

// validate checks a voucher against the request, all but what the bypass rule skips. A user condition is not evaluated
// where two other validations failed.
func (c *Chooser) validate(o *offer) failures {
	v, r := o.voucher, c.query.Request
	var failed failures
	fail := func(validation configv1.VoucherValidation, unmet bool) {
		if unmet && !c.skip[validation] {
			failed |= 1 << validation
		}
	}
	fail(configv1.VoucherValidation_VOUCHER_VALIDATION_USER_PATH, lacks(v.UserPaths, r.UserPath))
	fail(configv1.VoucherValidation_VOUCHER_VALIDATION_STREAMER, lacks(v.StreamerIDs, r.StreamerID))
	fail(configv1.VoucherValidation_VOUCHER_VALIDATION_VIDEO_CREATOR, lacks(v.VideoCreators, r.VideoCreatorID))
	fail(configv1.VoucherValidation_VOUCHER_VALIDATION_ADS, lacks(v.AdsIDs, r.AdsID))
	fail(configv1.VoucherValidation_VOUCHER_VALIDATION_CLIENT_PLATFORM, lacks(v.Platforms, r.Platform))
	fail(configv1.VoucherValidation_VOUCHER_VALIDATION_DEVICE_TYPE, lacks(v.DeviceTypes, r.DeviceType))
	if o.condition == none || failed&(failed-1) != 0 || c.skip[configv1.VoucherValidation_VOUCHER_VALIDATION_USER_CONDITION] {
		return failed
	}
	switch c.condition(o.condition) {
	case isTrue:
	case isError:
		failed |= ruleFailed
	default:
		failed |= 1 << configv1.VoucherValidation_VOUCHER_VALIDATION_USER_CONDITION
	}
	return failed
}

// lacks says that a voucher names values and this is none of them.
func lacks[T int64 | string](allowed []T, value T) bool {
	return len(allowed) > 0 && !slices.Contains(allowed, value)
}

// condition evaluates a user condition once a request, however many vouchers share it. A guest of whom a condition asks what only users have
// does not meet it.
func (c *Chooser) condition(place int32) uint8 {
	if state := c.conditions[place]; state != notEvaluated {
		return state
	}
	met, err := c.index.conditions[place].Bool(&c.input)
	state := isFalse
	switch {
	case err != nil && c.query.User.LoggedIn():
		state = isError
		c.failed("user_condition "+c.index.conditions[place].String(), err)
	case err == nil && met:
		state = isTrue
	}
	c.conditions[place] = state
	return state
}

// applies evaluates a voucher's applies_when once a model.
func (c *Chooser) applies(o *offer) Reason {
	if o.ruled == none {
		return Applied
	}
	if known := c.when[o.ruled]; known>>2 == c.models {
		return [...]Reason{isTrue: Applied, isFalse: AppliesWhen, isError: RuleError}[known&3]
	}
	c.input.Voucher = o.voucher
	met, err := o.when.Bool(&c.input)
	state, reason := isTrue, Applied
	switch {
	case err != nil:
		state, reason = isError, RuleError
		c.failed("applies_when "+o.when.String(), err)
	case !met:
		state, reason = isFalse, AppliesWhen
	}
	c.when[o.ruled] = c.models<<2 | uint32(state)
	return reason
}

// failed tells of an expression that failed to evaluate.
func (c *Chooser) failed(rule string, err error) {
	if c.query.RuleFailed != nil {
		c.query.RuleFailed(rule, err)
	}
}

// fits says whether the voucher covers the model.
func (c *Chooser) fits(o *offer) bool {
	return (!o.scoped || o.covers.check(c.item, c.model) == Applied) && c.applies(o) == Applied
}

// missing is the one thing that the user can change and that is in the way, if there is exactly one.
func (c *Chooser) missing(o *offer, running int64) (Reason, bool) {
	var failed failures
	if o.validated {
		failed = c.validate(o)
	}
	switch short := running < o.minSpend; {
	case short:
		return MinSpend, failed == 0
	default:
		return failed.first(), failed != 0 && failed&^changeable == 0 && failed&(failed-1) == 0
	}
}
