//! What is asked, and asking it with nothing around.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flagstaff::clock::SystemClock;
use flagstaff::engine::plan::Query;
use flagstaff::engine::{Span, Timestamp};
use flagstaff::http::{Access, Certificates, client_for, fetch};
use flagstaff::telemetry::Source as _;
use flagstaff::telemetry::prometheus::Prometheus;
use tokio::sync::Semaphore;

use crate::server::{Fake, Reply};

/// The texts that go out for some queries at one instant: heard by a server that answers none.
pub(crate) async fn texts(queries: &[Query]) -> Vec<String> {
    let heard = Fake::serve(|_| Reply { status: 502, ..Reply::with("") });
    let source = Prometheus::new(&heard.url, Access::default(), Span::seconds(5), Arc::new(SystemClock));
    source.instant(queries, Timestamp(0)).await;
    let asked = heard.asked.lock().unwrap();
    let texts: BTreeSet<String> = asked.iter().map(|asked| asked.field("query").to_owned()).collect();
    texts.into_iter().collect()
}

/// How long a client takes that sends these texts, sixteen at once as we do, and reads the answers' bytes.
pub(crate) async fn bare(url: &str, texts: &[String], at: Timestamp) -> f64 {
    let patience = Duration::from_secs(60);
    let client = client_for(url, patience, patience, &Certificates::default()).unwrap();
    let room = Arc::new(Semaphore::new(16));
    let began = Instant::now();
    let mut sent = tokio::task::JoinSet::new();
    for text in texts {
        let form = [("query", text.clone()), ("time", crate::instant(at))];
        let (request, room) = (client.post(format!("{url}/api/v1/query")).form(&form), room.clone());
        sent.spawn(async move {
            let _permit = room.acquire().await.unwrap();
            let reply = fetch(request).await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text);
        });
    }
    while let Some(done) = sent.join_next().await {
        done.unwrap();
    }
    began.elapsed().as_secs_f64()
}
