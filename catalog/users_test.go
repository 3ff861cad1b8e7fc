package catalog_test

import (
	"slices"
	"testing"

	"proscenium/catalog/catalogtest"
)

func TestUsersAreThoseOfTheFileWithoutTheGuest(t *testing.T) {
	cat := catalogtest.Open(t, map[string]string{"users.csv": "user_id,segments\n7,new_user\n3,\n"})
	if got := slices.Collect(cat.Users()); !slices.Equal(got, []int64{7, 3}) {
		t.Errorf("users %v", got)
	}
	for range cat.Users() {
		break
	}
	if got := slices.Collect(catalogtest.Open(t, nil).Users()); len(got) > 0 {
		t.Errorf("users %v of none", got)
	}
}
