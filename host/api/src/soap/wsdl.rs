//! What the services say of themselves: WSDL 1.1, document style, literal use, with the names that sipXecs' clients know.

use super::{SPACE, xml};
use std::fmt::Write as _;

/// The services there are.
pub(super) const SERVICES: [&str; 2] = ["UserService", "CallGroupService"];

/// An operation: its name, the element of its request and that of its answer; empty = an empty Body.
struct Operation {
    name: &'static str,
    request: &'static str,
    answer: &'static str,
}

const fn operation(name: &'static str, request: &'static str, answer: &'static str) -> Operation {
    Operation { name, request, answer }
}

const USERS: [Operation; 3] = [
    operation("addUser", "AddUser", ""),
    operation("findUser", "FindUser", "FindUserResponse"),
    operation("manageUser", "ManageUser", ""),
];
const GROUPS: [Operation; 3] = [
    operation("addCallGroup", "AddCallGroup", ""),
    operation("getCallGroups", "", "GetCallGroupsResponse"),
    operation("removeCallGroup", "RemoveCallGroup", ""),
];

/// Types by name, and their fields: name, type, how often at least, how often at most. A type of ours has no prefix.
type Type = (&'static str, &'static [(&'static str, &'static str, &'static str, &'static str)]);

const USER_TYPES: &[Type] = &[
    (
        "User",
        &[
            ("userName", "string", "1", "1"),
            ("pintoken", "string", "0", "1"),
            ("lastName", "string", "0", "1"),
            ("firstName", "string", "0", "1"),
            ("sipPassword", "string", "0", "1"),
            ("aliases", "string", "0", "unbounded"),
            ("emailAddress", "string", "0", "1"),
            ("groups", "string", "0", "unbounded"),
            ("permissions", "string", "0", "unbounded"),
            ("branchName", "string", "0", "1"),
        ],
    ),
    ("AddUser", &[("user", "impl:User", "1", "1"), ("pin", "string", "0", "1")]),
    (
        "UserSearch",
        &[
            ("byUserName", "string", "0", "1"),
            ("byFuzzyUserNameOrAlias", "string", "0", "1"),
            ("byGroup", "string", "0", "1"),
        ],
    ),
    ("FindUser", &[("search", "impl:UserSearch", "0", "1")]),
    ("ArrayOfUser", &[("item", "impl:User", "0", "unbounded")]),
    ("FindUserResponse", &[("users", "impl:ArrayOfUser", "1", "1")]),
    ("Property", &[("property", "string", "1", "1"), ("value", "string", "0", "1")]),
    (
        "ManageUser",
        &[
            ("search", "impl:UserSearch", "0", "1"),
            ("edit", "impl:Property", "0", "unbounded"),
            ("deleteUser", "boolean", "0", "1"),
            ("addGroup", "string", "0", "1"),
            ("removeGroup", "string", "0", "1"),
            ("updateGroup", "string", "0", "1"),
        ],
    ),
];
const GROUP_TYPES: &[Type] = &[
    (
        "UserRing",
        &[
            ("expiration", "int", "1", "1"),
            ("type", "string", "1", "1"),
            ("position", "int", "1", "1"),
            ("userName", "string", "1", "1"),
        ],
    ),
    (
        "CallGroup",
        &[
            ("name", "string", "1", "1"),
            ("extension", "string", "0", "1"),
            ("description", "string", "0", "1"),
            ("enabled", "boolean", "0", "1"),
            ("rings", "impl:UserRing", "0", "unbounded"),
        ],
    ),
    ("AddCallGroup", &[("callGroup", "impl:CallGroup", "1", "1")]),
    ("RemoveCallGroup", &[("name", "string", "1", "1")]),
    ("ArrayOfCallGroup", &[("item", "impl:CallGroup", "0", "unbounded")]),
    ("GetCallGroupsResponse", &[("callGroups", "impl:ArrayOfCallGroup", "1", "1")]),
];

/// The description of a service that is at this address.
pub(super) fn of(service: &str, at: &str) -> Option<String> {
    let (operations, types) = match service {
        "UserService" => (&USERS, USER_TYPES),
        "CallGroupService" => (&GROUPS, GROUP_TYPES),
        _ => return None,
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<wsdl:definitions targetNamespace=\"{SPACE}\" \
         xmlns:impl=\"{SPACE}\" xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" \
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\n\
         <wsdl:types><xsd:schema targetNamespace=\"{SPACE}\">\n"
    );
    schema(&mut out, operations, types);
    out.push_str("</xsd:schema></wsdl:types>\n");
    messages(&mut out, operations);
    ports(&mut out, service, operations);
    let _ = write!(
        out,
        "<wsdl:service name=\"ConfigImplService\"><wsdl:port binding=\"impl:{service}SoapBinding\" name=\"{service}\">\
         <soap:address location=\"{}\"/></wsdl:port></wsdl:service>\n</wsdl:definitions>\n",
        xml::escaped(at)
    );
    Some(out)
}

fn schema(out: &mut String, operations: &[Operation], types: &[Type]) {
    for (name, fields) in types {
        let _ = write!(out, "<xsd:complexType name=\"{name}\"><xsd:sequence>");
        for (field, kind, least, most) in *fields {
            let prefix = if kind.contains(':') { "" } else { "xsd:" };
            let nil = if *least == "0" { " nillable=\"true\"" } else { "" };
            let _ = write!(
                out,
                "<xsd:element name=\"{field}\" type=\"{prefix}{kind}\" minOccurs=\"{least}\" maxOccurs=\"{most}\"{nil}/>"
            );
        }
        out.push_str("</xsd:sequence></xsd:complexType>\n");
    }
    for element in operations.iter().flat_map(|o| [o.request, o.answer]).filter(|element| !element.is_empty()) {
        let _ = writeln!(out, "<xsd:element name=\"{element}\" type=\"impl:{element}\"/>");
    }
}

fn messages(out: &mut String, operations: &[Operation]) {
    for operation in operations {
        for (end, element) in [("Request", operation.request), ("Response", operation.answer)] {
            let _ = match element {
                "" => writeln!(out, "<wsdl:message name=\"{}{end}\"/>", operation.name),
                _ => writeln!(
                    out,
                    "<wsdl:message name=\"{}{end}\"><wsdl:part name=\"{element}\" element=\"impl:{element}\"/></wsdl:message>",
                    operation.name
                ),
            };
        }
    }
}

fn ports(out: &mut String, service: &str, operations: &[Operation]) {
    let _ = writeln!(out, "<wsdl:portType name=\"{service}\">");
    for Operation { name, .. } in operations {
        let _ = writeln!(
            out,
            "<wsdl:operation name=\"{name}\"><wsdl:input message=\"impl:{name}Request\"/>\
             <wsdl:output message=\"impl:{name}Response\"/></wsdl:operation>"
        );
    }
    let _ = writeln!(
        out,
        "</wsdl:portType>\n<wsdl:binding name=\"{service}SoapBinding\" type=\"impl:{service}\">\
         <soap:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>"
    );
    for Operation { name, .. } in operations {
        let _ = writeln!(
            out,
            "<wsdl:operation name=\"{name}\"><soap:operation soapAction=\"\"/><wsdl:input><soap:body use=\"literal\"/>\
             </wsdl:input><wsdl:output><soap:body use=\"literal\"/></wsdl:output></wsdl:operation>"
        );
    }
    out.push_str("</wsdl:binding>\n");
}
