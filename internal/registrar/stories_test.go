package registrar_test

import "testing"

// Proves: RG-10, RG-11, RG-12, RG-13, RG-14, RG-17, RG-24, RG-26
func TestBindingsAreAddedRefreshedRemovedAndListed(t *testing.T) { play(t, "bindings") }

// Proves: RG-4, RG-5, RG-8, RG-33, RG-36
func TestAddressOfRecord(t *testing.T) { play(t, "aor") }

// Proves: RG-19, RG-20, RG-21
func TestOrderOfRequests(t *testing.T) { play(t, "order") }

// Proves: RG-16, RG-18
func TestIntervals(t *testing.T) { play(t, "interval") }

// Proves: RG-28
func TestContactsAreLimited(t *testing.T) { play(t, "limit") }

// Proves: PA-2, PA-4, PA-8
func TestPathAndServiceRoute(t *testing.T) { play(t, "path") }

// Proves: OB-1, OB-2, OB-3, OB-7, OB-14, OB-17, OB-20
func TestOutbound(t *testing.T) { play(t, "outbound") }

// Proves: OB-8, OB-15
func TestFirstHopNeedsOutbound(t *testing.T) { play(t, "first_hop") }

func TestNAT(t *testing.T) { play(t, "nat") }

// Proves: GR-11, GR-12, GR-17
func TestGRUUsInTheAnswer(t *testing.T) { play(t, "gruu") }
