//! A project on the real server.

use std::path::Path;

/// Writes the documents: one release, judged every so often, which a first breach shuts down.
pub(super) fn write(dir: &Path, release: &str, every: &str, server: &str, page: &str) {
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: shop }}
spec:
  stickiness: userId
  sources:
    app:
      scrape: {{ targets: ["{page}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    production:
      backend: {{ unleash: {{ url: "{server}", environment: production, token_env: SHOP_TOKEN }} }}
---
apiVersion: flagstaff/v1
kind: Audience
metadata: {{ name: staff }}
spec: {{ any: [ {{ attribute: email, ends_with: "@acme.example" }} ] }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: quick }}
spec:
  stages:
    - {{ name: tenth, audiences: [staff], percentage: 10%, bake: 7d }}
    - {{ name: everyone, percentage: 100%, bake: 7d }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: {every}
  window: 800ms
  presets: {{ http: {{ duration: http_request_duration_seconds, failed: 'code="500"' }} }}
  healthy: [ "error_rate < 1%" ]
  safeguards: [ {{ name: errors, when: "error_rate > 5%", then: shutdown }} ]
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: {release} }}
spec: {{}}
"#
    );
    std::fs::write(dir.join("flagstaff.yaml"), text).expect("a project");
}
