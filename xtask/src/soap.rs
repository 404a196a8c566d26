//! The SOAP services asked by a client that is not ours: zeep reads their WSDL and does with it what scripts for sipXecs do.

use crate::contract::start;
use crate::run::{cargo, go, has, target_dir};
use std::path::PathBuf;
use std::process::Command;

const ZEEP: &str = "zeep==4.3.3";
/// Users and call groups from nothing to nothing; what is refused is a fault with words.
const SCRIPT: &str = r#"
import sys
from requests import Session
from requests.auth import HTTPBasicAuth
from zeep import Client
from zeep.exceptions import Fault, TransportError
from zeep.transports import Transport

url, token, company = sys.argv[1:4]


def service(name, password=token):
    session = Session()
    session.trust_env = False
    session.auth = HTTPBasicAuth("token", password)
    at = f"{url}/sipxconfig/services/{name}?company={company}"
    return Client(f"{at}&wsdl", transport=Transport(session=session, timeout=20)).service


def fault(words, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except Fault as said:
        assert words in said.message, said.message
        return
    raise AssertionError(f"no fault: {words}")


users, groups = service("UserService"), service("CallGroupService")
before = len(users.findUser() or [])
users.addUser(user={"userName": "7301", "firstName": "Zoë", "lastName": "<Müller> & Söhne", "sipPassword": "zeep-asks-1",
                    "aliases": ["7391", "7392"]}, pin="482957")
users.addUser(user={"userName": "7302"})
found = users.findUser(search={"byUserName": "7301"})
assert len(found) == 1 and sorted(found[0]["aliases"]) == ["7391", "7392"], found
assert (found[0]["firstName"], found[0]["lastName"]) == ("Zoë <Müller> &", "Söhne"), found
users.manageUser(search={"byUserName": "7301"}, edit=[{"property": "lastName", "value": "Maier"}])
assert users.findUser(search={"byFuzzyUserNameOrAlias": "739"})[0]["lastName"] == "Maier"
rings = [{"expiration": 10, "type": "delayed", "position": n, "userName": f"730{n + 1}"} for n in range(2)]
groups.addCallGroup(callGroup={"name": "zeep", "extension": "7399", "enabled": True, "rings": rings})
group = [g for g in groups.getCallGroups() if g["name"] == "zeep"]
assert len(group) == 1 and group[0]["extension"] == "7399" and len(group[0]["rings"]) == 2, group
fault("not kept", users.addUser, user={"userName": "7303", "groups": ["x"]})
fault("everybody", users.manageUser, deleteUser=True)
groups.removeCallGroup(name="zeep")
users.manageUser(search={"byFuzzyUserNameOrAlias": "730"}, deleteUser=True)
left = users.findUser(search={"byFuzzyUserNameOrAlias": "730"})
assert not left, left
try:
    service("UserService", "swg_0000").findUser()
    raise AssertionError("nobody was let in")
except TransportError as refused:
    assert refused.status_code == 401, refused
print("zeep: users and call groups came and went")
"#;

/// Installs zeep, once, into `target/tools`.
fn install() -> Result<PathBuf, String> {
    let tools = target_dir().join("tools/zeep");
    let python = tools.join("bin/python3");
    if tools.join("installed").exists() {
        return Ok(python);
    }
    if !has("python3") {
        return Err("python3 is not here".to_owned());
    }
    go(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
    go(Command::new(tools.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", ZEEP]))?;
    std::fs::write(tools.join("installed"), ZEEP).map_err(|error| error.to_string())?;
    Ok(python)
}

/// The step.
pub(crate) fn check() -> Result<(), String> {
    let python = match install() {
        Ok(python) => python,
        Err(why) if std::env::var_os("CI").is_none() => {
            eprintln!("xtask: SOAP is not asked by zeep: {why}");
            return Ok(());
        }
        Err(why) => return Err(why),
    };
    go(cargo().args(["build", "--quiet", "--workspace", "--bin", "strowger"]))?;
    let dir = target_dir().join("tmp/soap");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let script = dir.join("asks.py");
    std::fs::write(&script, SCRIPT).map_err(|error| format!("{}: {error}", script.display()))?;
    let (switch, url, token) = start(&dir.join("switch"))?;
    // The demo's telephone system is the first of its companies.
    let asked = go(Command::new(python).arg(&script).args([url.as_str(), token.as_str(), "1"]));
    drop(switch);
    asked
}
