//! SOAP 1.1 for those who come from sipXecs: the bulk operations on users and call groups of its configuration service, as
//! a thin shim (decision 0291).
//!
//! Each operation becomes requests to our own REST API, through its gate, with the right that the caller came with: rights,
//! tenancy, rates, limits and audit lines are those of REST, and nothing is decided here. What this switch does not keep
//! (groups, permissions, branches, phones by their serial number, park orbits by name) is refused in words and never
//! dropped in silence.

mod groups;
mod users;
mod wsdl;
mod xml;

use crate::extract;
use crate::problem::Problem;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::net::SocketAddr;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use xml::Element;

/// Where sipXecs has its services.
const ROOT: &str = "/sipxconfig/services/{service}";
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The namespace of sipXecs' operations.
const SPACE: &str = "http://www.sipfoundry.org/2007/08/21/ConfigService";
/// Largest answer of REST that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rows asked for at once.
const PAGE: u32 = 1_000;
/// Most users or groups that a search may find: an answer is made in memory.
const FOUND_MAX: usize = 20_000;
/// The name in HTTP Basic that says the password is an API token.
const TOKEN: &str = "token";

/// What the endpoint knows: the whole of the API.
#[derive(Clone, Debug)]
struct Soap {
    rest: Router,
}

/// The endpoint, before this API.
pub(crate) fn routes(rest: Router) -> Router {
    Router::new().route(ROOT, get(described).post(called)).with_state(Soap { rest })
}

/// Why an operation is not done.
#[derive(Debug)]
enum Fault {
    /// The envelope is wrong, or says what cannot be done.
    Client(String),
    /// The switch cannot do it now.
    Server(String),
    /// Not an answer of SOAP's at all: who asks is not known.
    Unknown(Problem),
}

impl Fault {
    fn refused(problem: &Problem) -> Fault {
        let said = if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() };
        // Too many requests are no fault of what was asked: it may be asked again.
        if problem.status >= 500 || problem.status == 429 { Fault::Server(said) } else { Fault::Client(said) }
    }

    /// Of a thing that this switch does not keep.
    fn not_kept(what: &str) -> Fault {
        Fault::Client(format!("{what} is not kept by this switch: leave it out"))
    }

    /// The same, after something was done.
    fn after(self, done: &str) -> Fault {
        match self {
            Fault::Client(why) => Fault::Client(format!("{why} ({done})")),
            Fault::Server(why) => Fault::Server(format!("{why} ({done})")),
            Fault::Unknown(problem) => Fault::Unknown(problem),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (code, said) = match self {
            Fault::Client(said) => ("Client", said),
            Fault::Server(said) => ("Server", said),
            Fault::Unknown(problem) => {
                let mut response = problem.into_response();
                let basic = HeaderValue::from_static("Basic realm=\"strowger\", charset=\"UTF-8\"");
                response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
                return response;
            }
        };
        let body = format!(
            "<soapenv:Fault><faultcode>soapenv:{code}</faultcode><faultstring>{}</faultstring></soapenv:Fault>",
            xml::escaped(&said)
        );
        // SOAP 1.1 section 6.2 has one status for all of them.
        (StatusCode::INTERNAL_SERVER_ERROR, envelope(&body)).into_response()
    }
}

type Xml = ([(header::HeaderName, &'static str); 1], String);

fn envelope(body: &str) -> Xml {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    );
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text)
}

/// What may follow the address of a service.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The company that is meant, of a token that has several.
    company: Option<i64>,
}

/// What a service can do, as WSDL 1.1; no secret.
async fn described(Path(service): Path<String>, request: Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let named = request.uri().query().into_iter().flat_map(|query| query.split('&'));
    let company = named.into_iter().find(|part| part.starts_with("company=")).map(|part| format!("?{part}"));
    // A proxy that speaks TLS for us says so; whoever else says it misleads himself alone.
    let secure = request.headers().get("x-forwarded-proto").is_some_and(|said| said == "https");
    let scheme = if secure { "https" } else { "http" };
    let at = format!("{scheme}://{host}{}{}", request.uri().path(), company.unwrap_or_default());
    match wsdl::of(&service, &at) {
        // It names the address that was asked: no cache may give it to somebody else.
        Some(text) => {
            let about = [(header::CONTENT_TYPE, "text/xml; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (about, text).into_response()
        }
        None => Problem::not_found("service").into_response(),
    }
}

async fn called(
    State(soap): State<Soap>,
    Path(service): Path<String>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Response {
    // A task of its own: what was begun is ended, and so is the login, also when whoever asked hangs up.
    let done = tokio::spawn(async move { soap.answer(&service, wanted, request).await });
    let broke = |_| Err(Fault::Server("the operation broke; the log says why".to_owned()));
    match done.await.unwrap_or_else(broke) {
        Ok(body) => envelope(&body).into_response(),
        Err(fault) => fault.into_response(),
    }
}

impl Soap {
    async fn answer(&self, service: &str, wanted: Wanted, request: Request) -> Result<String, Fault> {
        if !wsdl::SERVICES.contains(&service) {
            let known = wsdl::SERVICES.join(" and ");
            return Err(Fault::Client(format!("this switch has no such service; it has {known}")));
        }
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied();
        let caller = Caller::of(self, &parts.headers, peer, wanted.company).await?;
        let done = caller.read_and_do(service, body).await;
        caller.leave().await;
        done
    }
}

/// Who calls, and how REST is asked for him.
struct Caller<'a> {
    soap: &'a Soap,
    bearer: HeaderValue,
    /// Where he comes from, for the audit log.
    peer: Option<ConnectInfo<SocketAddr>>,
    forwarded: Vec<HeaderValue>,
    /// The company that is meant; none = the caller's own.
    company: Option<i64>,
    /// He came with name and password, and the login ends with the call.
    logged_in: bool,
}

impl<'a> Caller<'a> {
    async fn of(
        soap: &'a Soap,
        headers: &HeaderMap,
        peer: Option<ConnectInfo<SocketAddr>>,
        company: Option<i64>,
    ) -> Result<Caller<'a>, Fault> {
        let unknown = || Fault::Unknown(Problem::unauthenticated());
        let said = headers.get(header::AUTHORIZATION).ok_or_else(unknown)?;
        let forwarded = headers.get_all("x-forwarded-for").iter().cloned().collect();
        let nobody = HeaderValue::from_static("");
        let mut caller = Caller { soap, bearer: nobody, peer, forwarded, company, logged_in: false };
        let text = said.to_str().map_err(|_| unknown())?;
        let (scheme, rest) = text.split_once(' ').ok_or_else(unknown)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            caller.bearer = said.clone();
        } else {
            let bytes = STANDARD.decode(rest.trim()).map_err(|_| unknown())?;
            let pair = String::from_utf8(bytes).map_err(|_| unknown())?;
            let (name, password) = pair.split_once(':').ok_or_else(unknown)?;
            let token = match name {
                TOKEN => password.to_owned(),
                name => caller.log_in(name, password).await?,
            };
            caller.bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| unknown())?;
        }
        // Whoever is nobody hears so before his body is read.
        match caller.ask(Method::GET, "/me", None).await {
            Ok(_) => Ok(caller),
            Err(fault) => {
                caller.leave().await;
                Err(fault)
            }
        }
    }

    /// Logs in as `NAME@DOMAIN` of a company; gives the token.
    async fn log_in(&mut self, name: &str, password: &str) -> Result<String, Fault> {
        let (name, domain) = name.rsplit_once('@').unwrap_or((name, ""));
        let mut body = json!({ "name": name, "password": password });
        if !domain.is_empty() {
            body["company"] = json!(domain);
        }
        let given = self.ask(Method::POST, "/login", Some(body)).await?;
        self.logged_in = true;
        let token = given.get("access_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| Fault::Unknown(Problem::unauthenticated()))
    }

    async fn leave(&self) {
        if self.logged_in {
            let _ = self.ask(Method::DELETE, "/me/login", None).await;
        }
    }

    async fn read_and_do(&self, service: &str, body: Body) -> Result<String, Fault> {
        let most = extract::JSON_BYTES_MAX;
        let whole = tokio::time::timeout(extract::BODY_WAIT, to_bytes(body, most)).await;
        let whole = whole.map_err(|_| Fault::Client("the body came too slowly".to_owned()))?;
        let bytes = whole.map_err(|_| Fault::Client(format!("the body has more than {most} bytes, or broke off")))?;
        let unreadable = |why: String| Fault::Client(format!("the envelope cannot be read: {why}"));
        let envelope = xml::read(&bytes).map_err(unreadable)?;
        if (envelope.space.as_str(), envelope.name.as_str()) != (ENVELOPE, "Envelope") {
            return Err(unreadable(format!("expected an Envelope of {ENVELOPE}")));
        }
        let body = envelope.children.iter().find(|child| child.space == ENVELOPE && child.name == "Body");
        let body = body.ok_or_else(|| unreadable("it has no Body".to_owned()))?;
        let operation = body.children.first();
        if body.children.len() > 1 {
            return Err(Fault::Client("the Body has more than one operation".to_owned()));
        }
        if operation.is_some_and(|operation| operation.space != SPACE) {
            return Err(Fault::Client(format!("the operation is not of {SPACE}")));
        }
        match service {
            "UserService" => users::act(self, operation).await,
            _ => groups::act(self, operation).await,
        }
    }

    /// Asks REST.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Fault> {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        let bytes = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let wrong = |_| Fault::Client("a value cannot be written into an address".to_owned());
        let mut request = request.body(bytes).map_err(wrong)?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.bearer.clone());
        for by in &self.forwarded {
            headers.append("x-forwarded-for", by.clone());
        }
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let Ok(answer) = self.soap.rest.clone().oneshot(request).await;
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|_| Fault::Server("the answer is too large".to_owned()))?;
        if status.is_success() {
            return Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null));
        }
        let problem = serde_json::from_slice::<Problem>(&bytes).unwrap_or_else(|_| Problem::internal());
        Err(if status == StatusCode::UNAUTHORIZED { Fault::Unknown(problem) } else { Fault::refused(&problem) })
    }

    /// All of a list, page after page. `filter` is what follows the question mark.
    async fn list(&self, noun: &str, filter: &str) -> Result<Vec<Value>, Fault> {
        let company = self.company().await?;
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/{noun}?company={company}&limit={PAGE}{filter}{after}");
            let mut page = self.ask(Method::GET, &path, None).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            if all.len() > FOUND_MAX {
                let why = format!("there are more than {FOUND_MAX}: use REST, which has pages");
                return Err(Fault::Client(why));
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Removes a thing, and first the numbers that lead to it. They are put back where the thing stays.
    async fn remove_with_numbers(&self, own: &[(i64, String)], target: &Value, path: &str) -> Result<(), Fault> {
        let company = self.company().await?;
        let mut gone = Vec::new();
        let removed = async {
            for (extension, number) in own {
                self.ask(Method::DELETE, &format!("/extensions/{extension}"), None).await?;
                gone.push(number.as_str());
            }
            self.ask(Method::DELETE, path, None).await.map(|_| ())
        };
        let Err(fault) = removed.await else { return Ok(()) };
        let mut lost = Vec::new();
        for number in gone {
            let again = json!({ "company": company, "number": number, "target": target });
            if self.ask(Method::POST, "/extensions", Some(again)).await.is_err() {
                lost.push(number);
            }
        }
        match lost.as_slice() {
            [] => Err(fault),
            lost => Err(fault.after(&format!("and these numbers are gone: {}", lost.join(", ")))),
        }
    }

    /// The company whose things are meant.
    async fn company(&self) -> Result<i64, Fault> {
        if let Some(company) = self.company {
            return Ok(company);
        }
        let me = self.ask(Method::GET, "/me", None).await?;
        let own = me.get("company").and_then(Value::as_i64);
        own.ok_or_else(|| Fault::Client("which company is meant? add ?company=ID to the address".to_owned()))
    }
}

/// The text at a key of a row.
fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn id(row: &Value) -> i64 {
    row.get("id").and_then(Value::as_i64).unwrap_or_default()
}

/// Whether a row leads to this.
fn leads_to(row: &Value, kind: &str, name: &str) -> bool {
    row.get("target").is_some_and(|target| text(target, "kind") == kind && text(target, "name") == name)
}

/// A boolean of XML Schema.
fn is_true(of: &Element, name: &str) -> Result<Option<bool>, Fault> {
    match of.said(name) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(Fault::Client(format!("{name} is neither true nor false"))),
    }
}

/// The name of the operation, for those who ask for what is not there.
fn unknown(operation: &Element, known: &str) -> Fault {
    let name: String = operation.name.chars().take(64).collect();
    Fault::Client(format!("this service has no operation {name}; it has {known}"))
}
