"""From a call to an attribution: the question, a technique's answer, its checks."""
