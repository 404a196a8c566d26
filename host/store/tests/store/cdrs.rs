//! CDRs: listed by filter and page, seen by their tenant only.

use crate::fixture::{CTX, Place, at, cdr};
use crate::on_both;
use model::{AccountId, BrandId, CallId, CallRecord, Cause, Cdr, CompanyId};
use store::outbox::{Outbox, OutboxConfig};
use store::{CdrCursor, CdrFilter, OpContext};

pub async fn keep(place: &Place, cdrs: Vec<Cdr>) {
    let (outbox, mut drain) = Outbox::open(&place.dir.path().join("journal"), OutboxConfig::default()).unwrap();
    let records: Vec<CallRecord> = cdrs.into_iter().map(CallRecord::Ended).collect();
    outbox.journal().append(&records).unwrap();
    assert_eq!(drain.drain(&place.db).await.unwrap(), records.len() as u64);
}

/// Twelve calls of two legs in two companies of two brands.
fn some() -> Vec<Cdr> {
    let mut cdrs = Vec::new();
    for call in 0..12_u64 {
        for leg in 0..2 {
            let tenant = i64::from(call % 2 == 1) + 1;
            cdrs.push(Cdr {
                // Three calls begin in the same second.
                started_at: at(call / 3),
                brand: BrandId(tenant),
                company: CompanyId(tenant * 10),
                account: Some(AccountId(i64::from(leg) + tenant * 100)),
                cause: if call == 5 { Cause::Busy } else { Cause::NormalClearing },
                ..cdr(u128::from(call) * 7 % 12 + 1, leg)
            });
        }
    }
    cdrs
}

fn newest_first(mut cdrs: Vec<Cdr>) -> Vec<Cdr> {
    cdrs.sort_by_key(|c| std::cmp::Reverse((c.started_at, c.call, c.leg)));
    cdrs
}

/// A filter, and which CDRs it lets through.
type Case = (CdrFilter, fn(&Cdr) -> bool);

on_both! {
    async fn what_was_written_comes_back(place: Place) {
        let odd = Cdr {
            account: None, decided_by: None, ringing_at: None, answered_at: None, sip_status: 486, cause: Cause::Busy,
            caller: "\"quoted\" \u{1F4DE}\n".to_owned(), ..cdr(u128::MAX, 65_535)
        };
        keep(&place, vec![odd.clone(), cdr(1, 0)]).await;
        assert_eq!(place.db.cdrs().of_call(&CTX, CallId(u128::MAX)).await.unwrap(), [odd]);
        assert_eq!(place.db.cdrs().of_call(&CTX, CallId(1)).await.unwrap(), [cdr(1, 0)]);
        // A NUL from a peer must not keep a record out.
        let nul = Cdr { caller: "10\u{0}01".to_owned(), ..cdr(2, 0) };
        keep(&place, vec![nul]).await;
        assert_eq!(place.db.cdrs().of_call(&CTX, CallId(2)).await.unwrap()[0].caller, "10\u{fffd}01");
    }

    async fn a_second_of_many_calls_comes_back_whole(place: Place) {
        // Statements of eight rows, and some of one.
        let all: Vec<Cdr> = (0..117).map(|call| Cdr { callee: format!("to {call}"), ..cdr(call + 1, 0) }).collect();
        keep(&place, all.clone()).await;
        let page = place.db.cdrs().list(&CTX, &CdrFilter::default(), None, 1_000).await.unwrap();
        assert_eq!(newest_first(page), newest_first(all));
    }

    async fn pages_hold_every_cdr_once(place: Place) {
        keep(&place, some()).await;
        let all = newest_first(some());
        for limit in [1, 5, 24, 1000] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = place.db.cdrs().list(&CTX, &CdrFilter::default(), after, limit).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(CdrCursor::from(last));
                seen.extend(page);
            }
            assert_eq!(seen, all, "pages of {limit}");
        }
    }

    async fn filters_narrow(place: Place) {
        keep(&place, some()).await;
        let cases: [Case; 5] = [
            (CdrFilter { company: Some(CompanyId(20)), ..CdrFilter::default() }, |c| c.company.0 == 20),
            (CdrFilter { account: Some(AccountId(101)), ..CdrFilter::default() }, |c| c.account == Some(AccountId(101))),
            (CdrFilter { from: Some(at(1)), to: Some(at(3)), ..CdrFilter::default() },
                |c| c.started_at >= at(1) && c.started_at < at(3)),
            (CdrFilter { cause: Some(Cause::Busy), ..CdrFilter::default() }, |c| c.cause == Cause::Busy),
            (CdrFilter { from: Some(at(99)), ..CdrFilter::default() }, |_| false),
        ];
        for (filter, wanted) in cases {
            let expected: Vec<Cdr> = newest_first(some()).into_iter().filter(wanted).collect();
            assert_eq!(place.db.cdrs().list(&CTX, &filter, None, 100).await.unwrap(), expected, "{filter:?}");
            // The second page of a filter, too.
            if let Some(first) = expected.first() {
                let rest = place.db.cdrs().list(&CTX, &filter, Some(first.into()), 100).await.unwrap();
                assert_eq!(rest, expected[1..]);
            }
        }
    }

    async fn a_tenant_sees_its_own_only(place: Place) {
        keep(&place, some()).await;
        let of = |tenant: i64| -> Vec<Cdr> {
            newest_first(some()).into_iter().filter(|c| c.brand.0 == tenant).collect()
        };
        let list = async |ctx: OpContext, filter: CdrFilter| place.db.cdrs().list(&ctx, &filter, None, 100).await.unwrap();
        let ask = |company: i64| CdrFilter { company: Some(CompanyId(company)), ..CdrFilter::default() };
        let (as_one, as_ten) = (OpContext::brand(BrandId(1)), OpContext::company(BrandId(1), CompanyId(10)));
        assert_eq!(list(as_one.clone(), CdrFilter::default()).await, of(1));
        assert_eq!(list(as_ten.clone(), CdrFilter::default()).await, of(1));
        assert_eq!(list(as_one.clone(), ask(20)).await, []);
        assert_eq!(list(as_ten.clone(), ask(20)).await, []);
        assert_eq!(list(OpContext::company(BrandId(1), CompanyId(20)), CdrFilter::default()).await, []);
        let theirs = of(2)[0].call;
        assert_eq!(place.db.cdrs().of_call(&as_one, theirs).await.unwrap(), []);
        assert_eq!(place.db.cdrs().of_call(&as_ten, theirs).await.unwrap(), []);
    }
}
