"""The page of a study: one HTML file, readable without scripts and without a network."""

from backlight_report.study_page.page import study_page

__all__ = ["study_page"]
