"""Form fields as the design wants them, with what assistive technology needs."""

from django import forms

from dashboard.templatetags.fields import aside, is_check, styled


class Form(forms.Form):
    name = forms.CharField(help_text="What others call it.")
    kind = forms.ChoiceField(choices=[("a", "a")])
    prompt = forms.CharField(widget=forms.Textarea(attrs={"class": "prompt"}), required=False)
    agreed = forms.BooleanField(required=False)


def test_each_kind_of_field_has_its_class():
    form = Form()
    assert 'class="input"' in styled(form["name"])
    assert 'class="select"' in styled(form["kind"])
    assert 'class="area prompt"' in styled(form["prompt"])


def test_a_field_names_its_hint_and_its_error():
    assert 'aria-describedby="id_name_hint"' in styled(Form()["name"])
    wrong = styled(Form({})["name"])
    assert 'aria-invalid="true"' in wrong
    assert 'aria-describedby="id_name_error id_name_hint"' in wrong


def test_a_tick_box_has_its_label_beside_it():
    assert is_check(Form()["agreed"])
    assert not is_check(Form()["name"])


def test_nothing_stands_aside_unless_said():
    assert aside(Form()["name"]) == ""
