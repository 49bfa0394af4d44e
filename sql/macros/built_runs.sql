{# The runs that this build wrote. Tests of event-level tables look at these: the others were tested when they were
   written, and a build whose test fails is not recorded, so the next one writes and tests the same runs again. #}
{% macro built_runs() -%}
    select run_id from {{ ref('int_judged_runs') }} where not is_gone
{%- endmacro %}
