//! The lists of the store, by noun.

use crate::Listing;

macro_rules! lists {
    ($($name:ident = $module:ident: $about:literal;)*) => {
        $(#[doc = $about] pub static $name: &Listing = &crate::nouns::$module::LISTING;)*
        /// All of them.
        pub static ALL: &[&Listing] = &[$(&crate::nouns::$module::LISTING),*];
    };
}

lists! {
    ACCOUNTS = accounts: "Accounts.";
    ARCHIVES = archives: "Files of records that left the database.";
    AUDIT = audit: "Lines of the audit log.";
    BINDINGS = bindings: "Bindings of plugins.";
    BRANDS = brands: "Brands.";
    CDRS = cdrs: "Call detail records.";
    COMPANIES = companies: "Companies.";
    DDIS = ddis: "Public numbers.";
    EXTENSIONS = extensions: "Extensions.";
    FAXES = faxes: "Faxes.";
    JOBS = jobs: "Jobs.";
    MAILS = mails: "Mails that are sent, or were.";
    OUTGOING_ROUTES = outgoing_routes: "Outgoing routes.";
    PEOPLE = people: "People.";
    PLUGINS = plugins: "Installed plugins.";
    PREFIX_TABLES = prefix_tables: "Prefix tables.";
    RECORDINGS = recordings: "Recordings.";
    ROUTE_GROUPS = route_groups: "Routing groups.";
    ROUTE_PATTERNS = route_patterns: "Routing patterns.";
    ROUTE_TAGS = route_tags: "Routing tags.";
    RULES = rules: "Rules.";
    TIMETABLES = timetables: "Timetables.";
    TOKENS = tokens: "API tokens.";
    TRANSLATION_SETS = translation_sets: "Translation sets.";
    TRUNKS = trunks: "Trunks.";
    WALLETS = wallets: "Wallets.";
}
