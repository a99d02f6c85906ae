//! Keys of encrypted columns, in databases: every value ends under the new key, and none is lost on the way.

mod world;

mod sweep;
