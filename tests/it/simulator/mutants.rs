//! For each invariant something deliberately broken, which it must catch: an invariant that never fires proves nothing.
