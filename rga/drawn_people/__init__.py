"""The renderer of drawn people: who they are, how a picture of them is drawn, and the release that is written."""
