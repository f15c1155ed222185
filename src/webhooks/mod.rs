//! Who elsewhere is told of events over HTTP.
