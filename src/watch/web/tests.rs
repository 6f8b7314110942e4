//! The server on real sockets, with logs that grow.
