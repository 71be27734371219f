"""Interoperation with clients and a broker that somebody else wrote."""
