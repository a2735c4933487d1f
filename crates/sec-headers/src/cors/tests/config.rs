use sec_core::config::Loader;
use sec_core::{FieldFaults, Section as _};

use super::*;
use crate::Mode;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<CorsConfig, String> {
    let mut loader = Loader::new()
        .text("sec.toml", file)
        .unwrap()
        .env_prefix("SEC")
        .env_alias("ALLOWED_ORIGINS", "cors.origins")
        .env_from(variables.to_vec());
    let section = loader.section("cors");
    loader.finish(section).map_err(|faults| faults.to_string())
}

#[test]
fn the_default_allows_nobody() {
    let config = load("", &[]).unwrap();
    assert_eq!(config, CorsConfig::default());
    assert!(FieldFaults::of(&config).is_empty());
    let cors = Cors::from_config(&config).unwrap();
    let built = Cors::builder().build().unwrap();
    assert_eq!(format!("{cors:?}"), format!("{built:?}"));
    assert!(cors.is_enforced());
    assert!(CorsLayer::from_config(&config).is_ok());
}

#[test]
fn a_section_says_all_that_code_can() {
    let file = r#"
        [cors]
        origins = ["https://app.example", "https://*.tenants.example"]
        development_origins = ["http://localhost:5173"]
        mode = "development"
        credentials = true
        methods = ["PUT"]
        mirror_headers = true
        expose = ["etag"]
        max_age = "10m"
        private_network = true
        enforce = false
        lookup_deadline = "500ms"
        include = ["/api"]
        exclude = ["/api/public"]
    "#;
    let cors = Cors::from_config(&load(file, &[]).unwrap()).unwrap();
    let paths = PathRules::from_lists(["/api"], ["/api/public"]).unwrap();
    let same = listed(&[APP, "https://*.tenants.example"])
        .development_origin("http://localhost:5173")
        .mode(Mode::Development)
        .credentials(true)
        .methods(["PUT"])
        .mirror_headers()
        .expose(["etag"])
        .max_age(std::time::Duration::from_secs(600))
        .private_network(true)
        .enforce(false)
        .paths(paths);
    assert_eq!(format!("{cors:?}"), format!("{:?}", same.build().unwrap()));
    let file = "[cors]\nany_origin = true\nmirror_methods = true\nheaders = [\"*\"]";
    let cors = Cors::from_config(&load(file, &[]).unwrap()).unwrap();
    let same = Cors::builder()
        .any_origin(true)
        .mirror_methods()
        .headers(["*"]);
    assert_eq!(format!("{cors:?}"), format!("{:?}", same.build().unwrap()));
    let file = "[cors]\ninsecure_allow_null_origin = true";
    let cors = Cors::from_config(&load(file, &[]).unwrap()).unwrap();
    assert_eq!(short(decide(&cors, &[("origin", "null")])), Ok(true));
}

#[test]
fn a_variable_lists_origins() {
    let file = "[cors]\norigins = [\"https://old.example\"]";
    for (variable, value, expected) in [
        (
            "ALLOWED_ORIGINS",
            "https://a.example, https://*.b.example",
            &["https://a.example", "https://*.b.example"][..],
        ),
        (
            "ALLOWED_ORIGINS",
            "https://a.example",
            &["https://a.example"],
        ),
        ("ALLOWED_ORIGINS", "", &[]),
        (
            "SEC_CORS__ORIGINS",
            "https://a.example,",
            &["https://a.example"],
        ),
    ] {
        let config = load(file, &[(variable, value)]).unwrap();
        assert_eq!(config.origins, expected, "{variable}={value}");
    }
    let faults = load(file, &[("ALLOWED_ORIGINS", "https://a.example, *")]).unwrap_err();
    assert!(faults.contains("ALLOWED_ORIGINS"), "{faults}");
    assert!(faults.contains("any_origin"), "{faults}");
}

#[test]
fn faults_have_line_and_field() {
    let file = r#"[cors]
origins = ["https://ok.example", "https://a.example/"]
any_origin = true
credentials = true
methods = ["get"]
mirror_methods = true
headers = ["x y"]
exclude = ["hook"]
"#;
    let faults = load(file, &[]).unwrap_err();
    for expected in [
        "sec.toml:2: cors.origins[1]: ",
        "sec.toml:3: cors.any_origin: ",
        "sec.toml:5: cors.methods[0]: ",
        "sec.toml:6: cors.mirror_methods: ",
        "sec.toml:7: cors.headers[0]: ",
        "sec.toml:8: cors.exclude[0]: ",
    ] {
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
    let mut found = FieldFaults::new();
    CorsConfig {
        any_origin: true,
        credentials: true,
        ..CorsConfig::default()
    }
    .check(&mut found);
    assert_eq!(found.len(), 1, "{found}");
    assert!(
        load("[cors]\norigin = []", &[])
            .unwrap_err()
            .contains("origins")
    );
}
