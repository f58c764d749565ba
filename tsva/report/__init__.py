"""Tables, figures and the page, made from what the evaluation computed."""
