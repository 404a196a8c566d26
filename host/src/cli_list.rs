//! The words that every list of the command line has.

use clap::Args;

/// Which rows of a list, and in which order.
#[derive(Debug, Default, Args)]
pub(crate) struct Listing {
    /// Of this company, by name or number
    #[arg(long)]
    pub(crate) company: Option<String>,
    /// Of this brand, by name or number
    #[arg(long)]
    pub(crate) brand: Option<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// At most so many [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// Which rows, and in which order, of a list whose tenant and length are said otherwise.
#[derive(Debug, Default, Args)]
pub(crate) struct Which {
    /// Columns to order by, as name,-created_at: a `-` is from the last to the first; a wrong one is told what there is
    #[arg(long, value_name = "COLUMNS", allow_hyphen_values = true)]
    pub(crate) order: Option<String>,
    /// Only rows that fit, as enabled=true or username=10 (begins with); may be repeated; a wrong one is told what there is
    #[arg(long = "filter", value_name = "FIELD=VALUE")]
    pub(crate) filters: Vec<String>,
}
