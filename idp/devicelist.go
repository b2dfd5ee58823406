package idp

import "time"

// UnusedFor is after how long a device counts as not used: 90 days.
const UnusedFor = 90 * 24 * time.Hour

// DeviceFacet is a property by which devices are picked. A query with several
// finds those that have all of them, so two platforms find none.
type DeviceFacet string

const (
	FacetIOS     DeviceFacet = "ios"     // by platform
	FacetAndroid DeviceFacet = "android" //
	FacetWeb     DeviceFacet = "web"     //
	FacetOther   DeviceFacet = "other"   //
	FacetApp     DeviceFacet = "app"     // by kind: can be asked
	FacetCode    DeviceFacet = "code"    // shows codes only
	FacetFailing DeviceFacet = "failing" // notifications do not arrive
	FacetSilent  DeviceFacet = "silent"  // an app without notifications: it has given no push address
	FacetUnused  DeviceFacet = "unused"  // not used for UnusedFor; never used and linked that long ago. Kept to the day
	FacetOnly    DeviceFacet = "only"    // the only factor of its owner
	FacetFull    DeviceFacet = "full"    // its owner has MaxDevices
	FacetBlocked DeviceFacet = "blocked" // its owner is disabled

	FacetVerifies DeviceFacet = "verifies" // can ask for a fingerprint or PIN
)

// DeviceFacets lists all there are, in the order they are shown, which is also that of
// the bits that lists keep: another one stands at the end.
var DeviceFacets = []DeviceFacet{
	FacetIOS, FacetAndroid, FacetWeb, FacetOther, FacetApp, FacetCode,
	FacetFailing, FacetSilent, FacetUnused, FacetOnly, FacetFull, FacetBlocked, FacetVerifies,
}

// DeviceSort is what a list of devices is ordered by.
type DeviceSort string

const (
	DevicesByPerson DeviceSort = "person" // the name shown to people, folded; the default
	DevicesByName   DeviceSort = "device" // folded
	DevicesByLinked DeviceSort = "linked"
	DevicesByUsed   DeviceSort = "used" // by day; those never used come first
)

// DeviceSorts lists all there are.
var DeviceSorts = []DeviceSort{DevicesByPerson, DevicesByName, DevicesByLinked, DevicesByUsed}

// DeviceQuery picks, orders and cuts the list of all devices of all people.
type DeviceQuery struct {
	// Words as typed. Each is the beginning of a word of the person's sign-in
	// name, shown name or mail address, or of the device's name; case and
	// accents do not count. Several have to be found all.
	Words  string
	Facets []DeviceFacet
	Sort   DeviceSort // empty: DevicesByPerson
	Down   bool       // from the end
	Page
}

// DeviceRow is one line of the list: a device and whose it is. Nothing sealed
// is in it.
type DeviceRow struct {
	Device  Device // without SealedTOTP, PublicKey and SealedPush
	User    User
	Devices int // how many its owner has
	Unused  bool
}

// DevicePage is a part of the list.
type DevicePage struct {
	Rows []DeviceRow
	Cursors
	// Total counts what the query finds; nil when that would cost too much.
	Total *Count
	// Facets counts what each facet would find of it; nil as Total.
	Facets map[DeviceFacet]Count
}
