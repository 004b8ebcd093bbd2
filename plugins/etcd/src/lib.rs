//! The subject etcd: a cluster of members, and ways to break it
