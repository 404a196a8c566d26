//! The prices of carriers, as the switch reads them: the brands' prefix tables, which the plugins read too.

use model::{BrandId, Rates};
use plugin::PrefixTables;

/// The column with the price.
const PRICE: &str = "price";

/// Every brand's tables. A table that is replaced is read as it is from then on; a lookup takes no lock.
#[derive(Clone, Debug)]
pub(crate) struct Tables(pub(crate) PrefixTables);

impl Rates for Tables {
    fn price(&self, brand: BrandId, table: &str, number: &str) -> Option<f64> {
        let table = self.0.get(brand, table)?;
        let row = table.longest(number)?;
        row.columns.iter().find(|(column, _)| *column == PRICE).and_then(|(_, price)| price.trim().parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tables::PrefixTable;

    #[test]
    fn the_longest_prefix_has_the_price() {
        let tables = PrefixTables::default();
        let table = PrefixTable::from_csv("prefix,name,price\n34,Spain,0.02\n3491,Madrid, 0.01\n44,GB,much\n").unwrap();
        tables.set(BrandId(1), "a", Some(Arc::new(table)));
        let rates = Tables(tables.clone());
        let price = |brand, table: &str, number: &str| rates.price(BrandId(brand), table, number);
        assert_eq!(price(1, "a", "+34911234567"), Some(0.01));
        assert_eq!(price(1, "a", "+34811234567"), Some(0.02));
        assert_eq!(price(1, "a", "+442079460000"), None, "a word is no price");
        assert_eq!(price(1, "a", "+33123456789"), None);
        assert_eq!(price(2, "a", "+34911234567"), None, "another brand has no such table");
        assert_eq!(price(1, "b", "+34911234567"), None);
        tables.set(BrandId(1), "a", None);
        assert_eq!(price(1, "a", "+34911234567"), None, "what is replaced is read as it is now");
    }
}
