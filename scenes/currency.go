package scenes

import (
	"strconv"
	"strings"
)

// currencies are the codes of ISO 4217 that money is paid in; those whose minor unit is not a hundredth carry their exponent.
const currencies = `
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD3 BIF0 BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF4 CLP0 CNY COP COU CRC CUP
CVE CZK DJF0 DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF0 GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD3 IRR ISK0 JMD JOD3 JPY0 KES KGS KHR
KMF0 KPW KRW0 KWD3 KYD KZT LAK LBP LKR LRD LSL LYD3 MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR3 PAB PEN PGK
PHP PKR PLN PYG0 QAR RON RSD RUB RWF0 SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND3 TOP TRY TTD TWD TZS UAH UGX0 USD USN
UYI0 UYU UYW4 UZS VED VES VND0 VUV0 WST XAF0 XCD XCG XOF0 XPF0 YER ZAR ZMW ZWG
`

// CurrencyExponent is how many decimal digits the minor unit of a currency has, by its ISO 4217 code: 2 for USD, 0 for JPY, 3 for KWD.
// It is false for a code that ISO 4217 does not have.
func CurrencyExponent(code string) (int, bool) {
	at := strings.Index(currencies, code)
	if len(code) != 3 || at < 0 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return 0, false
	}
	if n, err := strconv.Atoi(currencies[at+3 : at+4]); err == nil {
		return n, true
	}
	return 2, true
}

// currencyCodes are all codes, sorted.
func currencyCodes() []string {
	codes := strings.Fields(currencies)
	for i := range codes {
		codes[i] = codes[i][:3]
	}
	return codes
}
