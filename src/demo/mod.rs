//! demo
use crate::clock::Clock;
use crate::view::printer::Printer;
use std::path::Path;
use std::sync::Arc;

/// stub
pub async fn run(_: &Printer, _: Option<&Path>, _: Arc<dyn Clock>) -> Result<bool, String> {
    Ok(false)
}
