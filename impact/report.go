package impact

import "time"

// Report is how the answers of two sides differ. Equal recordings and sides make equal reports. Its JSON form is stable: fields are added, and
// never change their meaning. Ids and amounts are strings in JSON, as 64-bit integers are in the API's.
type Report struct {
	// Requests are those of the recording, Compared those that both sides answered or refused.
	Requests int `json:"requests"`
	Compared int `json:"compared"`
	// StandFor is how many requests those compared stand for: more, where the recording is a sample.
	StandFor float64 `json:"stand_for"`
	// Changed are the requests whose answers differ, StandForChanged how many these stand for. Percent is the share of that, with two decimals: 0 may
	// stand for a few, see [Report.Above].
	Changed         int     `json:"changed"`
	StandForChanged float64 `json:"stand_for_changed"`
	Percent         float64 `json:"percent"`
	// First and Last are when the requests arrived that say so.
	First *time.Time `json:"first,omitempty"`
	Last  *time.Time `json:"last,omitempty"`

	// Refusals are the requests that one side refuses, or the other for another reason.
	Refusals []RefusalChange `json:"refusals,omitempty"`
	// Refused are the requests that both sides refuse for the same reason: their answers do not differ, and say nothing of prices.
	Refused []RefusalChange `json:"refused,omitempty"`
	// Scenes, Regions and Clients are all that the requests name, those with the most changes first.
	Scenes  []Part `json:"scenes,omitempty"`
	Regions []Part `json:"regions,omitempty"`
	Clients []Part `json:"clients,omitempty"`
	// Fields are those that differ, those in the most answers first.
	Fields []FieldChange `json:"fields,omitempty"`
	// Turns are the changes of states, such as a status or whether it is sold out; the most frequent first.
	Turns []Turn `json:"turns,omitempty"`
	// Prices are the final prices, by currency.
	Prices []Prices `json:"prices,omitempty"`
	// Largest are the price changes by their amount, LargestByPercent by their share of the old price.
	Largest          []*PriceChange `json:"largest,omitempty"`
	LargestByPercent []*PriceChange `json:"largest_by_percent,omitempty"`
	// NotCompared are requests that were not answered by a side, and lines that are no requests.
	NotCompared []Failures `json:"not_compared,omitempty"`
	// UnknownUsers are the requests that name their user by a pseudonym that was not resolved: what only some users get shows on neither side.
	UnknownUsers int `json:"unknown_users,omitempty"`
	// Notes say how far the answers are those of a server.
	Notes []string `json:"notes,omitempty"`
}

// Failed is how many requests were not compared, and lines that are no requests.
func (r *Report) Failed() int {
	n := 0
	for _, f := range r.NotCompared {
		n += f.Count
	}
	return n
}

// Different says whether any answer differs.
func (r *Report) Different() bool { return r.Changed > 0 }

// Above says whether the share of the answers that differ is above so many percent. It is exact: one of a million is above 0.
func (r *Report) Above(percent float64) bool { return 100*r.StandForChanged > percent*r.StandFor }

// RefusalChange counts the requests that go from one outcome to another. A reason that is empty says that the request is answered.
type RefusalChange struct {
	Old      string `json:"old,omitempty"`
	New      string `json:"new,omitempty"`
	Scene    string `json:"scene"`
	Requests int    `json:"requests"`
	// Message says why the first of them, at Place, is refused.
	Message string `json:"message"`
	Place   string `json:"place"`
}

// Part is what becomes of the requests of a scene, a region or a client.
type Part struct {
	Name     string  `json:"name"`
	Requests int     `json:"requests"`
	Changed  int     `json:"changed"`
	Percent  float64 `json:"percent"`
	// Dearer and Cheaper count final prices.
	Dearer  int `json:"dearer"`
	Cheaper int `json:"cheaper"`
}

// FieldChange is a field that differs in some answers.
type FieldChange struct {
	// Path is that of the response, such as items.models.final_price. A list of the same elements in another order has " (order)" behind it.
	Path    string `json:"path"`
	Answers int    `json:"answers"`
	// Values are the places in these answers: one answer has many models.
	Values int `json:"values"`
	// Old and New are the first values, at Place. Empty: absent.
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	Place string `json:"place"`
}

// Turn counts how often a field went from one state to another.
type Turn struct {
	Path   string `json:"path"`
	Old    string `json:"old"`
	New    string `json:"new"`
	Values int    `json:"values"`
}

// Prices are the final prices in a currency. Amounts are in its minor units.
type Prices struct {
	Currency string `json:"currency"`
	// Compared are those that both sides have.
	Compared int   `json:"compared"`
	Dearer   Moves `json:"dearer"`
	Cheaper  Moves `json:"cheaper"`
}

// Moves are price changes in one direction; amounts are positive where prices rise, negative where they fall.
type Moves struct {
	Prices int `json:"prices"`
	// Sum is that of all changes, one unit each. It stays at the largest number there is where it would be larger.
	Sum int64 `json:"sum,string"`
	// Median is the change in the middle, the smaller of two.
	Median int64 `json:"median,string"`
	// Largest is the change furthest from 0.
	Largest int64 `json:"largest,string"`
}

// Failures are requests that were not compared for the same reason.
type Failures struct {
	// Side is old, new, both, or recording for lines that are no requests.
	Side string `json:"side"`
	// Reason is stable.
	Reason string `json:"reason"`
	Count  int    `json:"count"`
	// Examples are the first ones.
	Examples []Failure `json:"examples"`
}

// Failure is a request that was not compared.
type Failure struct {
	Place   string `json:"place"`
	Message string `json:"message"`
}
