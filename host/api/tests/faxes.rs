//! Faxes by the API: what may be sent, by whom, from which number; their pages, and their end.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::http::StatusCode;
use common::{World, call_id};
use core::sync::atomic::Ordering;
use model::{BrandId, CompanyId, Instant};
use serde_json::{Value, json};
use store::{FaxEnd, ReceivedFax};

const DDI: &str = "+442079460000";

async fn world() -> World {
    let world = World::new().await;
    let target = json!({"kind": "app", "name": "fax"});
    world.must("POST", "/api/v1/ddis", json!({"company": world.companies[0], "e164": DDI, "target": target})).await;
    world
}

fn pages(count: usize) -> Vec<u8> {
    facsimile::tiff::write(&vec![(1_728, vec![0x0f; 216 * 3]); count])
}

fn to(from: &str, to: &str) -> String {
    format!("/api/v1/faxes?from={}&to={to}", from.replace('+', "%2B"))
}

#[tokio::test]
async fn a_fax_is_queued_shown_fetched_and_removed_by_its_company_alone() {
    let world = world().await;
    let own = Some(world.company_admins[0].as_str());
    let queued = world.ask_bytes(own, "POST", &to(DDI, "0301234"), pages(2)).await;
    assert_eq!(queued.status, StatusCode::ACCEPTED, "{queued:?}");
    assert_eq!(world.switch.faxes_queued.load(Ordering::Relaxed), 1);
    let (id, fax) = (queued.body["id"].as_i64().unwrap(), &queued.body);
    assert_eq!(
        [&fax["state"], &fax["direction"], &fax["from"], &fax["to"], &fax["pages"], &fax["pages_done"], &fax["call"]],
        [&json!("queued"), &json!("out"), &json!(DDI), &json!("0301234"), &json!(2), &json!(0), &Value::Null]
    );
    let path = format!("/api/v1/faxes/{id}");
    let pdf = world.ask(own, "GET", &format!("{path}/pdf"), &Value::Null).await;
    assert!(pdf.kind == "application/pdf" && pdf.text.starts_with("%PDF-"), "{}", pdf.kind);
    let tiff = world.ask(own, "GET", &format!("{path}/tiff"), &Value::Null).await;
    assert!(tiff.kind == "image/tiff" && tiff.text.starts_with("II*"), "{}", tiff.kind);
    let list = world.ask(own, "GET", "/api/v1/faxes?state=queued", &Value::Null).await;
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1));
    for stranger in [&world.company_admins[1], &world.company_admins[2], &world.brand_admins[1]] {
        for (method, path) in [("GET", path.clone()), ("GET", format!("{path}/pdf")), ("DELETE", path.clone())] {
            let answer = world.ask(Some(stranger), method, &path, &Value::Null).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}: {answer:?}");
        }
        let theirs = world.ask_bytes(Some(stranger), "POST", &to(DDI, "1"), pages(1)).await;
        assert!(theirs.status.is_client_error(), "{theirs:?}");
    }
    assert_eq!(world.ask(own, "DELETE", &path, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.ask(own, "GET", &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    let folder = world.switch.recordings.with_file_name("faxes").join(world.companies[0].to_string());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "its files are gone, and nobody else left any");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_in_words() {
    let world = world().await;
    let own = Some(world.company_admins[0].as_str());
    for (from, number, body, field) in [
        (DDI, "0301234", b"GIF89a".to_vec(), "body"),
        (DDI, "0301234", pages(4), "body"),
        (DDI, "0301234", facsimile::tiff::write(&[(640, vec![0; 80])]), "body"),
        (DDI, "030%201234", pages(1), "to"),
        ("+442079460999", "0301234", pages(1), "from"),
        ("0207", "0301234", pages(1), "from"),
    ] {
        let answer = world.ask_bytes(own, "POST", &to(from, number), body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {answer:?}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    // So many may wait.
    for _ in 0..2 {
        let queued = world.ask_bytes(own, "POST", &to(DDI, "1"), pages(1)).await;
        assert_eq!(queued.status, StatusCode::ACCEPTED, "{queued:?}");
    }
    let full = world.ask_bytes(own, "POST", &to(DDI, "1"), pages(1)).await;
    assert!(full.status.is_client_error() && full.text.contains("2 faxes of it wait"), "{full:?}");
    let folder = world.switch.recordings.with_file_name("faxes").join(world.companies[0].to_string());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 4, "a TIFF and a PDF of each that waits");
}

#[tokio::test]
async fn a_pdf_is_drawn_or_it_is_said_what_is_missing() {
    let world = world().await;
    let own = Some(world.company_admins[0].as_str());
    let pdf = facsimile::pdf::from_tiff(&pages(2)).unwrap();
    let answer = world.ask_bytes(own, "POST", &to(DDI, "1"), pdf).await;
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join("pdftoppm").is_file());
    if there {
        assert_eq!((answer.status, &answer.body["pages"]), (StatusCode::ACCEPTED, &json!(2)), "{answer:?}");
    } else {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(answer.text.contains("poppler-utils"), "{answer:?}");
    }
    let broken = world.ask_bytes(own, "POST", &to(DDI, "1"), b"%PDF-1.4 nothing".to_vec()).await;
    assert!(broken.status.is_client_error() || !there, "{broken:?}");
}

#[tokio::test]
async fn a_fax_that_came_is_shown_with_how_it_went() {
    let world = world().await;
    let company = CompanyId(world.companies[0]);
    let came = ReceivedFax {
        name: "c1".to_owned(),
        brand: BrandId(world.brands[0]),
        company,
        caller: "030999".to_owned(),
        callee: DDI.to_owned(),
        call: call_id(company.0),
        made_at: Instant::from_unix_nanos(5_000_000_000),
        ended_at: Instant::from_unix_nanos(65_000_000_000),
        bytes: 9,
        end: FaxEnd { whole: true, pages: 3, station: "+49 30".to_owned(), t38: true, reason: "OK".to_owned() },
    };
    world.db.faxes().received(&came).await.unwrap();
    world.db.faxes().received(&came).await.unwrap();
    let path = format!("/api/v1/faxes?call={}", call_id(company.0));
    let list = world.ask(Some(&world.company_admins[0]), "GET", &path, &Value::Null).await;
    let items = list.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "told twice, it is there once");
    let fax = &items[0];
    assert_eq!(
        [&fax["state"], &fax["direction"], &fax["pages"], &fax["station"], &fax["t38"], &fax["due_at"]],
        [&json!("received"), &json!("in"), &json!(3), &json!("+49 30"), &json!(true), &Value::Null]
    );
    // A file that somebody has taken away is told as what it is.
    let path = format!("/api/v1/faxes/{}/tiff", fax["id"]);
    let pages = world.ask(Some(&world.company_admins[0]), "GET", &path, &Value::Null).await;
    assert_eq!(pages.status, StatusCode::NOT_FOUND);
}
